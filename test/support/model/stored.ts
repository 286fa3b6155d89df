import { openDatabase, providerOf } from '../../../src/db/open-database.ts';
import { readStored, type Stored } from './checker.ts';

/** What a database of either provider holds of some users. */
export async function readStoredOf(databaseUrl: string, userIds: readonly string[]): Promise<Stored> {
  const ids = new Set(userIds);
  const all = providerOf(databaseUrl) === 'sqlite' ? await readStored(databaseUrl) : await readPostgres(databaseUrl);
  return {
    users: all.users.filter(({ id }) => ids.has(id)),
    events: all.events.filter(({ userId }) => ids.has(userId)),
    runs: all.runs.filter(({ userId }) => ids.has(String(userId))),
    insertions: all.insertions,
  };
}

/** The order of the commits is Postgres' own: the server has to run with `track_commit_timestamp=on`. */
async function readPostgres(databaseUrl: string): Promise<Stored> {
  const database = await openDatabase(databaseUrl);
  try {
    const { reader } = database;
    const events = await reader.syncEvent.findMany({ orderBy: [{ userId: 'asc' }, { sequence: 'asc' }] });
    const runs = await reader.syncRun.findMany({ orderBy: [{ userId: 'asc' }, { runId: 'asc' }] });
    const insertions = await reader.$queryRaw<{ id: string }[]>`
      SELECT id FROM sync_event ORDER BY pg_xact_commit_timestamp(xmin), xmin::text, user_id, sequence`;
    return {
      users: await reader.user.findMany(),
      events: events.map((event) => withPlainTimes({ ...event, metadata: sorted(event.metadata) })),
      runs: runs.map(withPlainTimes),
      insertions: insertions.map(({ id }) => id),
    };
  } finally {
    await database.close();
  }
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
