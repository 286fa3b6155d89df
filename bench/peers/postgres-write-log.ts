import pg from 'pg';
import { foldRuns, isFinished, numberDrafts, type WriteLog } from './write-log.ts';

/** One value of each row, with the column's type. */
type Column<T> = readonly [name: string, type: string, value: (row: T) => unknown];

/** Postgres with a statement for each table and group: named ones, with an array of each column's type. */
export async function openPostgresWriteLog(url: string): Promise<WriteLog> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const run = (name: string, text: string, values: unknown[]) => client.query({ name, text, values });

  async function write(...[drafts]: Parameters<WriteLog['write']>) {
    const userIds = [...new Set(drafts.map(({ userId }) => userId))];
    const ids = drafts.map(({ id }) => id);
    const users = await run('lock', lockUsers, [userIds]);
    const earlier = await run('earlier', 'SELECT id, sequence FROM sync_event WHERE id = ANY($1::uuid[])', [ids]);
    const heads = new Map<string, number>(users.rows.map(({ id, head_sequence }) => [id, head_sequence]));
    const known = new Map<string, number>(earlier.rows.map(({ id, sequence }) => [id, sequence]));
    const { results, added } = numberDrafts(drafts, heads, known);
    if (added.length === 0) return results;
    const now = new Date();
    await run('events', insertEvents, valuesOf(eventColumns(now), added));
    await run('runs', upsertRuns, valuesOf(runColumns(now), foldRuns(added)));
    await run('heads', raiseHeads, [[...heads.keys()], [...heads.values()]]);
    return results;
  }

  return {
    async write(drafts) {
      await client.query('BEGIN');
      try {
        const results = await write(drafts);
        await client.query('COMMIT');
        return results;
      } catch (error) {
        await client.query('ROLLBACK');
        throw error;
      }
    },
  };
}

const lockUsers = 'SELECT id, head_sequence FROM "user" WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE';
const raiseHeads = `UPDATE "user" SET head_sequence = h.head FROM unnest($1::uuid[], $2::int[]) h(id, head)
  WHERE "user".id = h.id`;

const eventColumns = (now: Date): Column<ReturnType<typeof numberDrafts>['added'][number]>[] => [
  ['user_id', 'uuid', ({ draft }) => draft.userId],
  ['sequence', 'int', ({ sequence }) => sequence],
  ['id', 'uuid', ({ draft }) => draft.id],
  ['run_id', 'text', ({ draft }) => draft.runId],
  ['provider', 'text', ({ draft }) => draft.provider],
  ['source', 'text', ({ draft }) => draft.source],
  ['stage', 'text', ({ draft }) => draft.stage],
  ['status', 'text', ({ draft }) => draft.status],
  ['message', 'text', ({ draft }) => draft.message],
  ['progress', 'float8', ({ draft }) => draft.progress],
  ['items_processed', 'int', ({ draft }) => draft.itemsProcessed],
  ['items_total', 'int', ({ draft }) => draft.itemsTotal],
  ['metadata', 'jsonb', ({ draft }) => JSON.stringify(draft.metadata ?? {})],
  ['started_at', 'timestamptz', ({ draft }) => draft.startedAt],
  ['ended_at', 'timestamptz', ({ draft }) => draft.endedAt],
  ['timestamp', 'timestamptz', ({ draft }) => draft.timestamp],
  ['recorded_at', 'timestamptz', () => now],
  ['late', 'bool', () => false],
];

const runColumns = (now: Date): Column<ReturnType<typeof foldRuns>[number]>[] => [
  ['user_id', 'uuid', ({ newest }) => newest.draft.userId],
  ['run_id', 'text', ({ newest }) => newest.draft.runId],
  ['provider', 'text', ({ newest }) => newest.draft.provider],
  ['source', 'text', ({ newest }) => newest.draft.source],
  ['stage', 'text', ({ newest }) => newest.draft.stage],
  ['status', 'text', ({ newest }) => newest.draft.status],
  ['message', 'text', ({ newest }) => newest.draft.message],
  ['progress', 'float8', ({ newest }) => newest.draft.progress],
  ['items_processed', 'int', ({ newest }) => newest.draft.itemsProcessed],
  ['items_total', 'int', ({ newest }) => newest.draft.itemsTotal],
  ['started_at', 'timestamptz', ({ startedAt }) => startedAt],
  ['ended_at', 'timestamptz', ({ endedAt }) => endedAt],
  ['last_event_at', 'timestamptz', ({ newest }) => newest.draft.timestamp],
  ['last_sequence', 'int', ({ newest }) => newest.sequence],
  ['event_count', 'int', ({ events }) => events],
  ['finished', 'bool', ({ newest }) => isFinished(newest.draft.status)],
  ['recorded_at', 'timestamptz', () => now],
];

const insertEvents = insertInto('sync_event', eventColumns(new Date()));
const upsertRuns = `${insertInto('sync_run', runColumns(new Date()))}
  ON CONFLICT (user_id, run_id) DO UPDATE SET ${runColumns(new Date())
    .slice(2)
    .map(([name]) =>
      name === 'event_count'
        ? 'event_count = sync_run.event_count + excluded.event_count'
        : /^(started|ended)_at$/.test(name)
          ? `${name} = coalesce(excluded.${name}, sync_run.${name})`
          : `${name} = excluded.${name}`,
    )
    .join(', ')}`;

function insertInto<T>(table: string, columns: readonly Column<T>[]): string {
  const names = columns.map(([name]) => name).join(', ');
  const arrays = columns.map(([, type], place) => `$${place + 1}::${type}[]`).join(', ');
  return `INSERT INTO ${table} (${names}) SELECT * FROM unnest(${arrays})`;
}

function valuesOf<T>(columns: readonly Column<T>[], rows: readonly T[]): unknown[][] {
  return columns.map(([, , value]) => rows.map((row) => value(row) ?? null));
}
