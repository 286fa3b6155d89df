import pg from 'pg';
import { PostgresSession } from './postgres-session.ts';
import { type PostgresTarget, prepareSession, sessionConfig } from './postgres-target.ts';

/** Type ids of Postgres: its one-byte "char", of which the catalog is full, and text. */
const CHAR = 18;
const TEXT = 25;

/** The engine never closes its connection. */
const IDLE_MS = 100;

/** A migration takes as long as it takes. */
const timeouts = { lock_timeout: 0, statement_timeout: 0, idle_in_transaction_session_timeout: 0 };

/**
 * A lock that lasts as long as the session, which behind a pooler outlives whoever took it: the next instance would wait
 * for it without end. `withMigrationLock` has one that ends with its transaction.
 */
const ENGINE_LOCK = 'pg_advisory_lock';

/**
 * A pool through which the migration engine can read the catalog of Postgres. Prisma's adapter refuses columns of the
 * type "char" (`UnsupportedNativeDataType`), so they are announced as text. And Postgres 18 lists NOT NULL among a
 * table's constraints, at which the engine panics: those rows are left out, as the columns say NOT NULL anyway.
 */
export function openCatalogPool(target: PostgresTarget): pg.Pool {
  const config = {
    ...sessionConfig(target, 'synclog migrations'),
    idleTimeoutMillis: IDLE_MS,
    Client: PostgresSession,
    onConnect: (session: pg.ClientBase) =>
      session instanceof PostgresSession ? prepareSession(session, target, timeouts) : undefined,
  };
  const pool = new pg.Pool(config);
  // Typed as Prisma calls `query`: rows are arrays.
  const query = pool.query.bind(pool) as (...args: unknown[]) => Promise<pg.QueryArrayResult>;
  const readable = async (...args: unknown[]) => {
    const [statement] = args as [string | { text: string }]; // so does Prisma
    const text = typeof statement === 'string' ? statement : statement.text;
    const result = await query(...(text.includes(ENGINE_LOCK) ? [{ text: 'SELECT', rowMode: 'array' }] : args));
    for (const field of result.fields ?? []) if (field.dataTypeID === CHAR) field.dataTypeID = TEXT;
    const constraintType = result.fields?.findIndex(({ name }) => name === 'constraint_type') ?? -1;
    if (constraintType >= 0) result.rows = result.rows.filter((row) => row[constraintType] !== 'n');
    return result;
  };
  return Object.assign(pool, { query: readable });
}
