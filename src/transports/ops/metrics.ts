import type { Context, Hono } from 'hono';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { addGet } from '../add-get.ts';
import { type Metric, registryOf } from './metric.ts';

interface MetricsOptions {
  /** What the process counts, as {@link collectProcessMetrics} has begun to; undefined: from the first scrape. */
  readonly processMetrics: Registry | undefined;
  readonly metrics: readonly Metric[];
  /** @throws AppError for who may not read them */
  readonly check: (context: Context) => Promise<void>;
}

/** `/metrics`: how this process is, in Prometheus' text format. */
export function addMetrics(app: Hono, { metrics, check, ...options }: MetricsOptions): void {
  const own = registryOf(metrics);
  let { processMetrics } = options;
  addGet(app, '/metrics', async (context) => {
    await check(context);
    processMetrics ??= collectProcessMetrics();
    const text = await Registry.merge([own, processMetrics]).metrics();
    return new Response(text, { headers: { 'content-type': own.contentType } });
  });
}

/** Gauges with the name of a counter, which Prometheus' own tool refuses. */
const misnamed = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

/** Begins to count what the process does: garbage collections, delays of its event loop. Once for a process, as it never ends. */
export function collectProcessMetrics(): Registry {
  const register = new Registry();
  collectDefaultMetrics({ register });
  for (const name of misnamed) register.removeSingleMetric(name);
  return register;
}
