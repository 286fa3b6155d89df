import { toColumn } from '../../db/columns.ts';
import type { Provider, Queryable } from '../../db/database.ts';
import { rawSql, type Sql } from '../../db/sql.ts';
import type { SyncEvent } from '../event.ts';
import type { PagedEvent } from './log-sql.ts';

/** The fields of an event in the order of {@link toEvent}, but for `progress`, which comes last. */
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
  'startedAt',
  'endedAt',
  'timestamp',
  'recordedAt',
  'late',
] as const satisfies readonly (keyof SyncEvent)[];

interface PackedEvents {
  /** Events with commas between them. Null when there are none. */
  readonly packed: string | null;
  readonly page: number;
}

/**
 * An event `e` as a JSON array: drivers read values one by one, which takes them longer than it takes the database to write
 * and `JSON.parse` to read all of them.
 */
export const packedEvent: Readonly<Record<Provider, Sql>> = {
  // In JSON, SQLite writes 15 digits of a number: with 20 it is the same number again.
  sqlite: packedBy('json_array', "iif(e.progress IS NULL, NULL, format('%!.20g', e.progress))"),
  postgresql: packedBy('json_build_array', 'e.progress'),
};

function packedBy(toArray: string, progress: string): Sql {
  return rawSql(`CAST(${toArray}(${[...fields.map((field) => `e.${toColumn(field)}`), progress].join(', ')}) AS text)`);
}

/** @param select of `packed`, made of {@link packedEvent}, and `page`. */
export async function readPackedEvents(database: Queryable, select: Sql): Promise<PagedEvent[]> {
  const found: PagedEvent[] = [];
  for (const { packed, page } of await database.$queryRaw<PackedEvents[]>(select))
    for (const values of JSON.parse(`[${packed ?? ''}]`)) found.push({ event: toEvent(values), page });
  return found;
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
  startedAt: Time | null,
  endedAt: Time | null,
  timestamp: Time,
  recordedAt: Time,
  late: number | boolean,
  progress: number | string | null,
];

/** Written out, since an object whose fields are put in one by one takes several times as long. */
function toEvent(values: Values): SyncEvent {
  const [startedAt, endedAt, metadata, progress] = [values[14], values[15], values[13], values[19]];
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
    progress: progress === null ? null : Number(progress),
    itemsProcessed: values[9],
    itemsTotal: values[10],
    error: values[11],
    primaryUserId: values[12],
    metadata: typeof metadata === 'string' ? JSON.parse(metadata) : metadata,
    startedAt: startedAt === null ? null : new Date(startedAt),
    endedAt: endedAt === null ? null : new Date(endedAt),
    timestamp: new Date(values[16]),
    recordedAt: new Date(values[17]),
    late: Boolean(values[18]),
  };
}
