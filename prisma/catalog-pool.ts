import pg from 'pg';
import { type PostgresTarget, sessionConfig } from '../src/db/postgres-target.ts';

/** Type ids of Postgres: its one-byte "char", of which the catalog is full, and text. */
const CHAR = 18;
const TEXT = 25;

/** The engine never closes its connection. */
const IDLE_MS = 100;

/**
 * A pool through which the migration engine can read the catalog of Postgres. Prisma's adapter refuses columns of the
 * type "char" (`UnsupportedNativeDataType`), so they are announced as text. And Postgres 18 lists NOT NULL among a
 * table's constraints, at which the engine panics: those rows are left out, as the columns say NOT NULL anyway.
 */
export function openCatalogPool(target: PostgresTarget): pg.Pool {
  const pool = new pg.Pool({ ...sessionConfig(target, 'synclog migrations'), idleTimeoutMillis: IDLE_MS });
  // Typed as Prisma calls `query`: rows are arrays.
  const query = pool.query.bind(pool) as (...args: unknown[]) => Promise<pg.QueryArrayResult>;
  const readable = async (...args: unknown[]) => {
    const result = await query(...args);
    for (const field of result.fields ?? []) if (field.dataTypeID === CHAR) field.dataTypeID = TEXT;
    const constraintType = result.fields?.findIndex(({ name }) => name === 'constraint_type') ?? -1;
    if (constraintType >= 0) result.rows = result.rows.filter((row) => row[constraintType] !== 'n');
    return result;
  };
  return Object.assign(pool, { query: readable });
}
