import type { Database } from '../../../src/db/database.ts';
import { openDatabase } from '../../../src/db/open-database.ts';

/** A row of a table by its columns, times as milliseconds since 1970. */
export type Row = Readonly<Record<string, unknown>>;

export interface EventRow extends Row {
  readonly id: string;
  readonly userId: string;
  readonly sequence: number;
  readonly runId: string;
  readonly stage: string;
  readonly status: string;
  readonly late: boolean;
}

/** What the database holds after everything. */
export interface Stored {
  readonly users: readonly { readonly id: string; readonly headSequence: number; readonly tailSequence: number }[];
  /** By user and sequence. */
  readonly events: readonly EventRow[];
  readonly runs: readonly Row[];
  readonly runDataTypes: readonly Row[];
  readonly providerDataTypes: readonly Row[];
  /** Ids of events in the order in which they were inserted. */
  readonly insertions: readonly string[];
}

/** What a database of either provider holds of some users; without them, of all. */
export async function readStored(databaseUrl: string, userIds?: readonly string[]): Promise<Stored> {
  const database = await openDatabase(databaseUrl);
  try {
    return { ...(await readRows(database, userIds)), insertions: await readInsertions(database) };
  } finally {
    await database.close();
  }
}

/** The rows alone, in whatever order they were inserted. */
export async function readRows({ reader }: Database, userIds?: readonly string[]): Promise<Omit<Stored, 'insertions'>> {
  const among = userIds && { in: [...userIds] };
  const ofUsers = among && { userId: among };
  const events = await reader.syncEvent.findMany({
    where: { ...ofUsers },
    orderBy: [{ userId: 'asc' }, { sequence: 'asc' }],
  });
  const runs = await reader.syncRun.findMany({
    where: { ...ofUsers },
    orderBy: [{ userId: 'asc' }, { runId: 'asc' }],
  });
  return {
    users: await reader.user.findMany({ where: { ...(among && { id: among }) } }),
    events: events.map((event) =>
      withPlainTimes({
        ...event,
        metadata: sorted(event.metadata),
        reason: sorted(event.reason),
        dataTypes: sorted(event.dataTypes),
      }),
    ),
    runs: runs.map(withPlainTimes),
    runDataTypes: (await reader.syncRunDataType.findMany({ where: { ...ofUsers } })).map(withPlainTimes),
    providerDataTypes: (await reader.providerDataType.findMany({ where: { ...ofUsers } })).map(withPlainTimes),
  };
}

/** The order of the commits is Postgres' own: the server has to run with `track_commit_timestamp=on`. */
async function readInsertions({ kind, reader }: Database): Promise<string[]> {
  const insertions =
    kind === 'sqlite'
      ? await reader.$queryRaw<{ id: string }[]>`SELECT id FROM sync_event ORDER BY rowid`
      : await reader.$queryRaw<{ id: string }[]>`
          SELECT id FROM sync_event ORDER BY pg_xact_commit_timestamp(xmin), xmin::text, user_id, sequence`;
  return insertions.map(({ id }) => id);
}

/** With the keys of objects in the order of the alphabet, in which they are sent: jsonb keeps them in one of its own. */
function sorted<T>(json: T): T {
  const sort = (_: string, value: unknown) =>
    value && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  return JSON.parse(JSON.stringify(json, sort));
}

function withPlainTimes<T extends object>(row: T): { [K in keyof T]: T[K] extends Date | null ? number | null : T[K] } {
  const fields = Object.entries(row).map(([name, value]) => [name, value instanceof Date ? value.getTime() : value]);
  return Object.fromEntries(fields);
}
