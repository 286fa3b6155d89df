import { toColumn } from '../../db/columns.ts';
import type { Provider, Queryable } from '../../db/database.ts';
import { rawSql, type Sql } from '../../db/sql.ts';
import type { SyncEvent } from '../event.ts';
import type { PagedEvent } from './log-sql.ts';

/** The fields of an event in the order of {@link toEvent}, but for `progress`: SQLite writes 15 digits of it in JSON. */
const fields = [
  'userId',
  'sequence',
  'id',
  'runId',
  'provider',
  'source',
  'stage',
  'status',
  'message',
  'itemsProcessed',
  'itemsTotal',
  'error',
  'primaryUserId',
  'metadata',
  'scope',
  'windowStart',
  'windowEnd',
  'extra',
  'reason',
  'dataTypes',
  'startedAt',
  'endedAt',
  'timestamp',
  'recordedAt',
  'late',
] as const satisfies readonly (keyof SyncEvent)[];

interface PackedEvent {
  /** A JSON array. */
  readonly packed: string;
  readonly progress: number | null;
  readonly page: number;
}

/**
 * The columns of an event `e`, most of them as one JSON array: drivers read values one by one, which takes them longer than
 * it takes the database to write and `JSON.parse` to read all of them.
 */
export const packedEvent: Readonly<Record<Provider, Sql>> = {
  sqlite: packedBy('json_array'),
  postgresql: packedBy('json_build_array'),
};

function packedBy(toArray: string): Sql {
  const columns = fields.map((field) => `e.${toColumn(field)}`).join(', ');
  return rawSql(`CAST(${toArray}(${columns}) AS text) AS packed, e.progress`);
}

/** @param select of {@link packedEvent} and `page`. */
export async function readPackedEvents(database: Queryable, select: Sql): Promise<PagedEvent[]> {
  const rows = await database.$queryRaw<PackedEvent[]>(select);
  return rows.map((row) => ({ event: toEvent(JSON.parse(row.packed), row.progress), page: row.page }));
}

type Time = string | number;
/** What the databases make of the fields: SQLite has milliseconds, 0 and 1, and JSON within texts. */
type Values = readonly [
  userId: string,
  sequence: number,
  id: string,
  runId: string,
  provider: string,
  source: string,
  stage: string,
  status: string,
  message: string | null,
  itemsProcessed: number | null,
  itemsTotal: number | null,
  error: string | null,
  primaryUserId: string | null,
  metadata: string | SyncEvent['metadata'],
  scope: string | null,
  windowStart: Time | null,
  windowEnd: Time | null,
  extra: string | SyncEvent['extra'],
  reason: string | SyncEvent['reason'],
  dataTypes: string | SyncEvent['dataTypes'],
  startedAt: Time | null,
  endedAt: Time | null,
  timestamp: Time,
  recordedAt: Time,
  late: number | boolean,
];

/** Written out, since an object whose fields are put in one by one takes several times as long. */
function toEvent(values: Values, progress: number | null): SyncEvent {
  const [metadata, extra, reason, dataTypes] = [values[13], values[17], values[18], values[19]];
  return {
    userId: values[0],
    sequence: values[1],
    id: values[2],
    runId: values[3],
    provider: values[4],
    source: values[5],
    stage: values[6],
    status: values[7],
    message: values[8],
    progress,
    itemsProcessed: values[9],
    itemsTotal: values[10],
    error: values[11],
    primaryUserId: values[12],
    metadata: typeof metadata === 'string' ? JSON.parse(metadata) : metadata,
    scope: values[14],
    windowStart: toTime(values[15]),
    windowEnd: toTime(values[16]),
    extra: typeof extra === 'string' ? JSON.parse(extra) : extra,
    reason: typeof reason === 'string' ? JSON.parse(reason) : reason,
    dataTypes: typeof dataTypes === 'string' ? JSON.parse(dataTypes) : dataTypes,
    startedAt: toTime(values[20]),
    endedAt: toTime(values[21]),
    timestamp: new Date(values[22]),
    recordedAt: new Date(values[23]),
    late: Boolean(values[24]),
  };
}

function toTime(value: Time | null): Date | null {
  return value === null ? null : new Date(value);
}
