import type { Hono } from 'hono';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Refusals } from '../../gate/rate-limits.ts';
import { productVersion } from '../../lib/version.ts';
import type { Services } from '../../services.ts';
import { addGet } from '../add-get.ts';

interface MetricsOptions {
  /** What the process counts, as {@link collectProcessMetrics} has begun to; undefined: from the first scrape. */
  readonly processMetrics: Registry | undefined;
  readonly services: Services;
  /** How many streams are open. */
  readonly openStreams: () => number;
  /** What the answers take that are kept, in bytes. */
  readonly keptBytes: () => number;
  /** What was refused, since the process began. */
  readonly refusals: () => readonly Refusals[];
  /** How well the server keeps up. */
  readonly pressure: () => number;
}

/** `/metrics`: counts of this process in Prometheus' text format. They name no user, so anybody may read them. */
export function addMetrics(app: Hono, options: MetricsOptions): void {
  const own = createRegistry(options);
  let { processMetrics } = options;
  addGet(app, '/metrics', async () => {
    processMetrics ??= collectProcessMetrics();
    const text = await Registry.merge([own, processMetrics]).metrics();
    return new Response(text, { headers: { 'content-type': own.contentType } });
  });
}

/** Begins to count what the process does: garbage collections, delays of its event loop. Once for a process, as it never ends. */
export function collectProcessMetrics(): Registry {
  const register = new Registry();
  collectDefaultMetrics({ register });
  return register;
}

function createRegistry({ services, openStreams, keptBytes, refusals, pressure }: MetricsOptions): Registry {
  const { log, retention, sources } = services;
  const registry = new Registry();
  new Gauge({
    name: 'synclog_build_info',
    help: 'The version of this server; the value is always 1.',
    labelNames: ['version'] as const,
    registers: [registry],
  }).set({ version: productVersion() }, 1);
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
  gauge('synclog_pressure', 'Whether the server keeps up: 0 calm, 1 strained, 2 overloaded.', pressure);
  gauge('synclog_followed_logs', 'Logs that are followed, each once.', () => log.followedLogs);
  gauge('synclog_waiting_recordings', 'Recordings that wait for a transaction.', () => log.waitingRecordings);
  gauge(
    'synclog_held_up_recordings',
    'Recordings that wait for rows that somebody else keeps locked.',
    () => log.heldUpRecordings,
  );
  gauge(
    'synclog_retention_doubts_clock',
    "Whether retention removes nothing because the database's clock has jumped: 1 or 0.",
    () => Number(retention.doubtsClock),
  );
  new Counter({
    name: 'synclog_limits_hit_total',
    help: 'What was refused because of a limit, by the door and the kind of limit.',
    labelNames: ['door', 'limit'] as const,
    registers: [registry],
    collect() {
      this.reset();
      for (const { door, kind, count } of refusals()) this.inc({ door, limit: kind }, count);
    },
  });
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
  new Counter({
    name: 'synclog_source_ignored_total',
    help: 'Entries of sources that this process has ignored, by why, and by what their sender calls them.',
    labelNames: ['source', 'reason', 'type'] as const,
    registers: [registry],
    collect() {
      this.reset();
      for (const { name, ignored } of sources.opened)
        for (const { ignored: reason, type, count } of ignored.kinds)
          this.inc({ source: name, reason, type: type ?? '' }, count);
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
