import pg from 'pg';

/** An event as the drivers give it, times as texts. */
export interface RawEvent {
  readonly id: string;
  readonly sequence: number;
  readonly user_id: string;
  readonly run_id: string;
  readonly provider: string;
  readonly source: string;
  readonly stage: string;
  readonly status: string;
  readonly message: string | null;
  readonly progress: number | null;
  readonly items_processed: number | null;
  readonly items_total: number | null;
  readonly error: string | null;
  readonly primary_user_id: string | null;
  readonly metadata: unknown;
  readonly started_at: Date | null;
  readonly ended_at: Date | null;
  readonly timestamp: Date;
  readonly recorded_at: Date;
}

/** What peers with SQL by hand read. */
export interface RawLog {
  /** The newest events of a user, newest first. */
  recent(
    userId: string,
    limit: number,
    providers?: readonly string[],
  ): Promise<readonly RawEvent[]> | readonly RawEvent[];
  /** The same for several users, in their order. */
  recentOfAll(userIds: readonly string[], limit: number): Promise<(readonly RawEvent[])[]> | (readonly RawEvent[])[];
  /** The ids of the first users, or of the first after this one. */
  users(first: number, after?: string): Promise<readonly { id: string }[]> | readonly { id: string }[];
}

/** Opens the log with the driver that its users say is the fastest. */
export async function openRawLog(url: string): Promise<RawLog> {
  return url.startsWith('file:') ? openSqlite(url.slice('file:'.length)) : openPostgres(url);
}

const COLUMNS =
  'id, sequence, user_id, run_id, provider, source, stage, status, message, progress, items_processed, items_total, error, primary_user_id, metadata, started_at, ended_at, timestamp, recorded_at';

interface SqliteRow extends Omit<RawEvent, 'metadata' | 'started_at' | 'ended_at' | 'timestamp' | 'recorded_at'> {
  readonly metadata: string;
  readonly started_at: number | null;
  readonly ended_at: number | null;
  readonly timestamp: number;
  readonly recorded_at: number;
}

async function openSqlite(file: string): Promise<RawLog> {
  // On Postgres the native driver need not be there.
  const { default: Database } = await import('better-sqlite3');
  const database = new Database(file, { readonly: true });
  const recent = database.prepare(`SELECT ${COLUMNS} FROM sync_event WHERE user_id = ? ORDER BY sequence DESC LIMIT ?`);
  const recentOfProviders = database.prepare(
    `SELECT ${COLUMNS} FROM sync_event WHERE user_id = ? AND provider IN (SELECT value FROM json_each(?)) ORDER BY sequence DESC LIMIT ?`,
  );
  const users = database.prepare('SELECT id FROM "user" ORDER BY created_at DESC, id DESC LIMIT ?');
  const usersAfter = database.prepare(
    `SELECT id FROM "user" WHERE (created_at, id) < (SELECT created_at, id FROM "user" WHERE id = ?)
     ORDER BY created_at DESC, id DESC LIMIT ?`,
  );
  const read = (userId: string, limit: number, providers?: readonly string[]) => {
    const rows = providers
      ? recentOfProviders.all(userId, JSON.stringify(providers), limit)
      : recent.all(userId, limit);
    return rows.map((row) => fromSqlite(row as SqliteRow));
  };
  return {
    recent: read,
    recentOfAll: (userIds, limit) => userIds.map((userId) => read(userId, limit)),
    users: (first, after) =>
      (after === undefined ? users.all(first) : usersAfter.all(after, first)) as { id: string }[],
  };
}

function fromSqlite(row: SqliteRow): RawEvent {
  const time = (value: number | null) => (value === null ? null : new Date(value));
  return {
    ...row,
    metadata: JSON.parse(row.metadata),
    started_at: time(row.started_at),
    ended_at: time(row.ended_at),
    timestamp: new Date(row.timestamp),
    recorded_at: new Date(row.recorded_at),
  };
}

function openPostgres(url: string): RawLog {
  const pool = new pg.Pool({ connectionString: url, max: 10 });
  return {
    async recent(userId, limit, providers) {
      const { rows } = await (providers === undefined
        ? pool.query({
            name: 'recent',
            text: `SELECT ${COLUMNS} FROM sync_event WHERE user_id = $1 ORDER BY sequence DESC LIMIT $2`,
            values: [userId, limit],
          })
        : pool.query({
            name: 'recent-of-providers',
            text: `SELECT ${COLUMNS} FROM sync_event WHERE user_id = $1 AND provider = ANY($3) ORDER BY sequence DESC LIMIT $2`,
            values: [userId, limit, providers],
          }));
      return rows;
    },
    async recentOfAll(userIds, limit) {
      const { rows } = await pool.query<RawEvent>({
        name: 'recent-of-all',
        text: `SELECT event.* FROM unnest($1::uuid[]) WITH ORDINALITY AS asked(user_id, place),
          LATERAL (SELECT ${COLUMNS} FROM sync_event WHERE sync_event.user_id = asked.user_id ORDER BY sequence DESC LIMIT $2) AS event
          ORDER BY place, sequence DESC`,
        values: [userIds, limit],
      });
      const byUser = new Map<string, RawEvent[]>(userIds.map((userId) => [userId, []]));
      for (const row of rows) byUser.get(row.user_id)?.push(row);
      return userIds.map((userId) => byUser.get(userId) ?? []);
    },
    async users(first, after) {
      const { rows } = await (after === undefined
        ? pool.query({
            name: 'users',
            text: 'SELECT id FROM "user" ORDER BY created_at DESC, id DESC LIMIT $1',
            values: [first],
          })
        : pool.query({
            name: 'users-after',
            text: `SELECT id FROM "user" WHERE (created_at, id) < (SELECT created_at, id FROM "user" WHERE id = $2)
              ORDER BY created_at DESC, id DESC LIMIT $1`,
            values: [first, after],
          }));
      return rows;
    },
  };
}
