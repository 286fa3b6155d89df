import type pg from 'pg';
import { reasonOf } from '../lib/outages.ts';
import type { Fact, MigrationSession, SchemaPlace } from './migration-session.ts';
import type { PostgresSession } from './postgres-session.ts';
import { openSession, reachPostgres } from './postgres-target.ts';

/** A migration takes as long as it takes. */
const timeouts = { lock_timeout: 0, statement_timeout: 0, idle_in_transaction_session_timeout: 0 };

const historyTable = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id"                    VARCHAR(36) PRIMARY KEY NOT NULL,
    "checksum"              VARCHAR(64) NOT NULL,
    "finished_at"           TIMESTAMPTZ,
    "migration_name"        VARCHAR(255) NOT NULL,
    "logs"                  TEXT,
    "rolled_back_at"        TIMESTAMPTZ,
    "started_at"            TIMESTAMPTZ NOT NULL DEFAULT now(),
    "applied_steps_count"   INTEGER NOT NULL DEFAULT 0
)`;

/** Newer servers list NOT NULL among the constraints as well; the column says it already. */
const factsOf = (namespace: string) => `
  SELECT c.relname AS "table",
      'column ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull AS "text"
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND c.relnamespace = ${namespace}
  UNION ALL
  SELECT c.relname, 'index ' || i.relname FROM pg_index x
    JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid WHERE c.relnamespace = ${namespace}
  UNION ALL
  SELECT c.relname, 'constraint ' || o.conname FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid
    WHERE o.contype <> 'n' AND c.relnamespace = ${namespace}`;

/** Connects; what migrates the database changes the one schema in the session's search path. */
export async function openPostgresMigration(url: string): Promise<MigrationSession> {
  const client = await openSession(await reachPostgres(url), { name: 'synclog migrations', timeouts });
  if (client.isPooled) await checkTransactions(client);
  const rows = async <Row extends pg.QueryResultRow>(query: string) => (await client.query<Row>(query)).rows;
  const place = (namespace: string): SchemaPlace => ({
    run: async (script) => void (await client.query(script)),
    facts: () => rows<Fact & pg.QueryResultRow>(factsOf(namespace)),
  });
  return {
    ...place('(SELECT oid FROM pg_namespace WHERE nspname = current_schema())'),
    rows,
    now: 'now()',
    async begin() {
      await client.query('BEGIN');
      await client.query(historyTable);
      // The lock of all migrations may be lost together with its own connection. This one cannot be.
      await client.query('LOCK TABLE "_prisma_migrations" IN SHARE ROW EXCLUSIVE MODE');
    },
    rollback: async () => void (await client.query('ROLLBACK')),
    async onScratch(work) {
      await client.query('BEGIN');
      await client.query('SET LOCAL search_path = pg_temp');
      try {
        return await work(place('pg_my_temp_schema()'));
      } finally {
        await client.query('ROLLBACK');
      }
    },
    close: () => client.end(),
  };
}

/**
 * A pooler that gives each statement to another session lets a transaction begin and then cuts the connection. What it
 * says of that is often lost with it.
 * @throws Error where transactions are cut
 */
async function checkTransactions(client: PostgresSession): Promise<void> {
  try {
    for (const statement of ['BEGIN', 'SELECT 1', 'ROLLBACK']) await client.query(statement);
  } catch (error) {
    await client.end().catch(() => {});
    throw new Error(`its pooler cuts transactions, as statement pooling does; set another mode (${reasonOf(error)})`);
  }
}
