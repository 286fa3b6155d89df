import Libsql from 'libsql';
import type { Fact, MigrationSession, SchemaPlace } from './migration-session.ts';
import { prepareSqliteFile } from './sqlite-file.ts';
import { sqlitePath } from './sqlite-path.ts';

/** How long a statement waits for another process's lock before it fails as busy. Nothing else runs meanwhile. */
const BUSY_TIMEOUT_MS = 50;

const historyTable = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id"                    TEXT PRIMARY KEY NOT NULL,
    "checksum"              TEXT NOT NULL,
    "finished_at"           DATETIME,
    "migration_name"        TEXT NOT NULL,
    "logs"                  TEXT,
    "rolled_back_at"        DATETIME,
    "started_at"            DATETIME NOT NULL DEFAULT current_timestamp,
    "applied_steps_count"   INTEGER UNSIGNED NOT NULL DEFAULT 0
)`;

/** Tables without their columns would not be told apart from those of an earlier migration. */
const factsOfSchema = `
  SELECT m.name AS "table", 'column ' || c.name || ' ' || c.type || ' ' || c."notnull" || ' ' || c.pk AS "text"
    FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'
  UNION ALL
  SELECT tbl_name, 'index ' || name FROM sqlite_schema WHERE type = 'index' AND name NOT LIKE 'sqlite_%'`;

/** Opens the file, and makes it and its folder where they are missing. Foreign keys are off: migrations make tables anew. */
export function openSqliteMigration(url: string): MigrationSession {
  const path = sqlitePath(url);
  prepareSqliteFile(path);
  const connection = new Libsql(path, { timeout: BUSY_TIMEOUT_MS });
  // Within a transaction it would have no effect, and migrations say it there.
  connection.exec('PRAGMA foreign_keys = OFF');
  return {
    ...placeOf(connection),
    rows: async (query) => connection.prepare(query).all() as Record<string, unknown>[], // as it is not `raw`
    now: "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
    async begin() {
      connection.exec('BEGIN IMMEDIATE');
      connection.exec(historyTable);
    },
    async rollback() {
      if (connection.inTransaction) connection.exec('ROLLBACK'); // a full disk has ended it already
    },
    async onScratch(work) {
      const scratch = new Libsql(':memory:');
      try {
        return await work(placeOf(scratch));
      } finally {
        scratch.close();
      }
    },
    async close() {
      connection.close();
    },
  };
}

function placeOf(connection: Libsql.Database): SchemaPlace {
  return {
    run: async (script) => void connection.exec(script),
    facts: async () => connection.prepare(factsOfSchema).all() as Fact[], // the columns that it selects
  };
}
