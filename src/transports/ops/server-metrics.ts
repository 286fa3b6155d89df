import type { PoolFigures } from '../../db/database-figures.ts';
import type { Gate } from '../../gate/gate.ts';
import { productVersion } from '../../lib/version.ts';
import type { KeptAnswers } from '../../operations/kept-answers.ts';
import type { Operations } from '../../operations/operations.ts';
import type { Services } from '../../services.ts';
import type { RequestCounts } from '../request-counts.ts';
import type { HealthOptions } from './health.ts';
import { counter, gauge, histogram, type LabelledValue, type Metric } from './metric.ts';

/** What the metrics are read from. */
export interface ServerParts {
  readonly services: Services;
  readonly health: Pick<HealthOptions, 'outages' | 'databaseFigures'>;
  readonly gate: Pick<Gate, 'streams' | 'rates'>;
  readonly operations: Operations;
  /** Undefined: every answer is made anew. */
  readonly kept: KeptAnswers | undefined;
  readonly requests: RequestCounts;
}

/**
 * All that this server tells of itself. None of it names a user or anything else that a client could make up, so that there
 * are no more series than doors, operations, codes and sources.
 */
export function serverMetrics(parts: ServerParts): readonly Metric[] {
  return [
    gauge('synclog_build_info', 'The version of this server; the value is always 1.', () => [
      { labels: { version: productVersion() }, value: 1 },
    ]),
    ...ofRequests(parts),
    ...ofStreams(parts),
    ...ofRecordings(parts),
    ...ofDatabase(parts),
    ...ofRetention(parts),
    ...ofSources(parts),
  ];
}

function ofRequests({ requests, gate: { rates }, kept }: ServerParts): Metric[] {
  return [
    counter(
      'synclog_requests_total',
      'Requests that have ended, and operations on sockets, by door, operation (the field at the root, the route, or the page) and code: OK, CUT where the client has left, or the code of the error. A subscription counts when it ends.',
      () =>
        requests.all.flatMap(({ door, operation, endings }) =>
          [...endings].map(([code, value]) => ({ labels: { door, operation, code }, value })),
        ),
    ),
    histogram(
      'synclog_request_duration_seconds',
      'What a request took until its answer was sent, without subscriptions.',
      () =>
        requests.all.flatMap(({ door, operation, durations }) =>
          durations.counts.some((count) => count > 0) ? { labels: { door, operation }, histogram: durations } : [],
        ),
    ),
    counter('synclog_limits_hit_total', 'What was refused because of a limit, by the door and the kind of limit.', () =>
      rates.refusals.map(({ door, kind, count }) => ({ labels: { door, limit: kind }, value: count })),
    ),
    gauge('synclog_pressure', 'Whether the server keeps up: 0 calm, 1 strained, 2 overloaded.', () => rates.pressure),
    gauge('synclog_kept_answer_bytes', 'Memory of answers that are kept to be given again.', () => kept?.bytes ?? 0),
  ];
}

function ofStreams({ gate: { streams }, services: { log }, operations }: ServerParts): Metric[] {
  return [
    gauge('synclog_open_streams', 'Subscriptions that are open, by door.', () =>
      Object.entries(streams.byDoor).map(([door, value]) => ({ labels: { door }, value })),
    ),
    gauge('synclog_open_sockets', 'WebSockets of clients that were let in.', () => streams.sockets),
    gauge('synclog_followed_logs', 'Logs that are followed, each once.', () => log.followedLogs),
    counter(
      'synclog_slow_consumers_total',
      'Streams that were ended as their readers took nothing for too long.',
      () => operations.slowConsumers,
    ),
    histogram(
      'synclog_delivery_lag_seconds',
      'What it took until a reader of a log had its newest events on the socket: since the first of them was recorded, or since the reader was ready for them.',
      () => [{ labels: {}, histogram: log.figures.deliveryLag }],
    ),
    counter(
      'synclog_lost_wake_ups_total',
      'How often a followed log had grown, no wake-up told of it, and a look found it.',
      () => log.figures.lostWakeUps,
    ),
    counter(
      'synclog_wake_up_gaps_total',
      'How often all followed logs were looked at because the wire to other instances had been down.',
      () => log.figures.gaps,
    ),
  ];
}

function ofRecordings({ services: { log } }: ServerParts): Metric[] {
  return [
    counter('synclog_recorded_events_total', 'Events that this process has recorded.', () => log.figures.recorded),
    counter(
      'synclog_duplicate_events_total',
      'Events that were sent to this process and that the log had already.',
      () => log.figures.duplicates,
    ),
    histogram('synclog_recordings_per_transaction', 'How many recordings have shared a transaction.', () => [
      { labels: {}, histogram: log.figures.groups },
    ]),
    gauge('synclog_waiting_recordings', 'Recordings that wait for a transaction.', () => log.waitingRecordings),
    gauge(
      'synclog_held_up_recordings',
      'Recordings that wait for rows that somebody else keeps locked.',
      () => log.heldUpRecordings,
    ),
  ];
}

function ofDatabase({ health: { outages, databaseFigures } }: ServerParts): Metric[] {
  const ofPool = (read: (pool: PoolFigures) => readonly LabelledValue[]) => () => {
    const pool = databaseFigures.pool?.();
    return pool ? read(pool) : [];
  };
  return [
    gauge(
      'synclog_outage',
      'Whether something outside of the process is away, so far as this process has noticed: 1 or 0.',
      () => outages.watched.map((what) => ({ labels: { what }, value: what in outages.present ? 1 : 0 })),
    ),
    histogram('synclog_database_statement_duration_seconds', 'What it took until a statement was answered.', () => [
      { labels: {}, histogram: databaseFigures.statements },
    ]),
    histogram(
      'synclog_database_transaction_duration_seconds',
      'What a transaction that writes took, with waiting for its turn and all attempts.',
      () => [{ labels: {}, histogram: databaseFigures.transactions }],
    ),
    gauge(
      'synclog_database_connections',
      'Connections to Postgres that this process has, by state: used or idle.',
      ofPool(({ used, idle }) => [
        { labels: { state: 'used' }, value: used },
        { labels: { state: 'idle' }, value: idle },
      ]),
    ),
    gauge(
      'synclog_database_connections_max',
      'Connections to Postgres that this process may have.',
      ofPool(({ most }) => [{ labels: {}, value: most }]),
    ),
    gauge(
      'synclog_database_connection_waiters',
      'What waits for a connection to Postgres, as all are used.',
      ofPool(({ waiting }) => [{ labels: {}, value: waiting }]),
    ),
  ];
}

function ofRetention({ services: { retention } }: ServerParts): Metric[] {
  return [
    counter(
      'synclog_retention_removed_events_total',
      'Events that this process has removed as they were too old.',
      () => retention.removed.events,
    ),
    counter(
      'synclog_retention_removed_runs_total',
      'Runs of which this process has removed the last event.',
      () => retention.removed.runs,
    ),
    gauge(
      'synclog_retention_last_sweep_timestamp_seconds',
      'When this process last looked through all logs for what is too old; nothing before it has.',
      () => (retention.sweptAt === undefined ? [] : retention.sweptAt / 1_000),
    ),
    gauge(
      'synclog_retention_doubts_clock',
      "Whether retention removes nothing because the database's clock has jumped: 1 or 0.",
      () => Number(retention.doubtsClock),
    ),
  ];
}

function ofSources({ services: { sources } }: ServerParts): Metric[] {
  return [
    counter(
      'synclog_source_entries_total',
      'Entries of sources that this process has handled, by what became of them.',
      () =>
        sources.opened.flatMap(({ name, totals }) =>
          Object.entries(totals).map(([outcome, value]) => ({ labels: { source: name, outcome }, value })),
        ),
    ),
    counter(
      'synclog_source_ignored_total',
      'Entries of sources that this process has ignored, by why, and by what their sender calls them.',
      () =>
        sources.opened.flatMap(({ name, ignored }) =>
          ignored.kinds.map(({ ignored: reason, type, count }) => ({
            labels: { source: name, reason, type: type ?? '' },
            value: count,
          })),
        ),
    ),
    gauge(
      'synclog_source_live',
      'Whether this process works on the source and records at once what arrives: 1 or 0.',
      () => sources.opened.map(({ name, isLive }) => ({ labels: { source: name }, value: isLive ? 1 : 0 })),
    ),
    gauge(
      'synclog_source_lag_seconds',
      'For how long the oldest entry that has arrived and is not recorded has been waiting.',
      () =>
        sources.opened.flatMap(({ name, lagMs }) =>
          lagMs === null ? [] : { labels: { source: name }, value: lagMs / 1_000 },
        ),
    ),
  ];
}
