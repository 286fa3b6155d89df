import type { Hono } from 'hono';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Services } from '../../services.ts';

interface MetricsOptions {
  readonly services: Services;
  /** How many streams are open. */
  readonly openStreams: () => number;
  /** What the answers take that are kept, in bytes. */
  readonly keptBytes: () => number;
}

/** `/metrics`: counts of this process in Prometheus' text format. They name no user, so anybody may read them. */
export function addMetrics(app: Hono, options: MetricsOptions): void {
  let registry: Registry | undefined;
  app.get('/metrics', async () => {
    registry ??= createRegistry(options); // nothing is measured before somebody wants to know
    const text = await registry.metrics();
    return new Response(text, { headers: { 'content-type': registry.contentType } });
  });
}

function createRegistry({ services: { log, sources }, openStreams, keptBytes }: MetricsOptions): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  gauge('synclog_open_streams', 'Subscriptions that are open.', openStreams);
  gauge('synclog_kept_answer_bytes', 'Memory of answers that are kept to be given again.', keptBytes);
  gauge('synclog_followed_logs', 'Logs that are followed, each once.', () => log.followedLogs);
  gauge('synclog_waiting_recordings', 'Recordings that wait for a transaction.', () => log.waitingRecordings);
  gauge(
    'synclog_held_up_recordings',
    'Recordings that wait for rows that somebody else keeps locked.',
    () => log.heldUpRecordings,
  );
  new Counter({
    name: 'synclog_source_entries_total',
    help: 'Entries of sources that this process has handled, by what became of them.',
    labelNames: ['source', 'outcome'] as const,
    registers: [registry],
    collect() {
      this.reset();
      for (const { name, totals } of sources.opened)
        for (const [outcome, total] of Object.entries(totals)) this.inc({ source: name, outcome }, total);
    },
  });
  new Gauge({
    name: 'synclog_source_live',
    help: 'Whether this process works on the source and records at once what arrives: 1 or 0.',
    labelNames: ['source'] as const,
    registers: [registry],
    collect() {
      this.reset();
      for (const { name, isLive } of sources.opened) this.set({ source: name }, isLive ? 1 : 0);
    },
  });
  new Gauge({
    name: 'synclog_source_lag_seconds',
    help: 'For how long the oldest entry that has arrived and is not recorded has been waiting.',
    labelNames: ['source'] as const,
    registers: [registry],
    collect() {
      this.reset();
      for (const { name, lagMs } of sources.opened) if (lagMs !== null) this.set({ source: name }, lagMs / 1000);
    },
  });
  return registry;
}
