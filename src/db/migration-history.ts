import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { sha256 } from '../lib/sha256.ts';
import { productVersion } from '../lib/version.ts';
import { type Migration, onlyAddsIndexes, tablesOf } from './migration.ts';
import type { MigrationSession } from './migration-session.ts';

/** What `_prisma_migrations` says of a database. Prisma's own commands read and write the same table. */
export interface History {
  readonly applied: ReadonlySet<string>;
  /** Begun and not ended, by a release that did not run a migration in one transaction. */
  readonly unfinished: ReadonlySet<string>;
  /** What is noted of the applied ones. */
  readonly notes: ReadonlyMap<string, Note>;
  /** The tables of the schema. */
  readonly tables: ReadonlySet<string>;
}

/** Who has applied a migration, for releases that do not know it. */
const note = z.object({ release: z.string().optional(), onlyAddsIndexes: z.boolean().optional() });
type Note = z.infer<typeof note>;

const TABLE = '_prisma_migrations';

export async function readHistory(session: MigrationSession): Promise<History> {
  const tables = new Set((await session.facts()).map(({ table }) => table));
  const rows = tables.has(TABLE)
    ? await session.rows(`SELECT migration_name, finished_at, logs FROM "${TABLE}" WHERE rolled_back_at IS NULL`)
    : [];
  const namesOf = (some: typeof rows) => some.map((row) => String(row.migration_name));
  const applied = rows.filter((row) => row.finished_at !== null);
  return {
    applied: new Set(namesOf(applied)),
    unfinished: new Set(namesOf(rows.filter((row) => row.finished_at === null))),
    notes: new Map(applied.map((row) => [String(row.migration_name), readNote(row.logs)])),
    tables,
  };
}

function readNote(text: unknown): Note {
  try {
    return note.parse(JSON.parse(String(text)));
  } catch {
    return {}; // of an earlier release, or of Prisma's commands
  }
}

/** Notes, within the transaction that applies the migration, that it is applied. */
export async function addToHistory(session: MigrationSession, migration: Migration): Promise<void> {
  const name = quoted(migration.name);
  const checksum = sha256(migration.sql);
  const logs: Note = { release: productVersion(), onlyAddsIndexes: onlyAddsIndexes(migration) };
  await session.run(`
    DELETE FROM "${TABLE}" WHERE migration_name = ${name} AND finished_at IS NULL AND rolled_back_at IS NULL;
    INSERT INTO "${TABLE}" (id, checksum, finished_at, migration_name, logs, started_at, applied_steps_count) VALUES (
      '${randomUUID()}', '${checksum}', ${session.now}, ${name}, ${quoted(JSON.stringify(logs))}, ${session.now}, 1)`);
}

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;

/**
 * Refuses a database that is not ours to migrate: of a newer release, or of another program.
 * @param name of the database
 * @returns a warning where migrations of a newer release do not keep this one from working
 * @throws AppError UNAVAILABLE
 */
export function checkHistory(history: History, known: readonly Migration[], name: string): string | undefined {
  const ours = tablesOf(known);
  const isNew = history.applied.size === 0 && history.unfinished.size === 0;
  if (
    isNew &&
    history.tables.size > 0 &&
    ![...history.tables].some((table) => ours.has(table)) &&
    !isOnlyHistory(history)
  )
    throw new AppError(
      'UNAVAILABLE',
      `The database ${name} holds tables of another program (${[...history.tables].sort().slice(0, 3).join(', ')}); it must be one of its own`,
    );

  const names = new Set(known.map((migration) => migration.name));
  const newer = [...history.applied].filter((applied) => !names.has(applied)).sort();
  if (newer.length === 0) return undefined;
  const told = newer.map((each) => `${each} (by ${releaseOf(history.notes.get(each))})`).join(', ');
  const newest = known.at(-1)?.name ?? 'none';
  const text = `The database ${name} has migrations of a newer release: ${told}. This is Synclog ${productVersion()}, whose newest is ${newest}`;
  if (newer.every((each) => history.notes.get(each)?.onlyAddsIndexes))
    return `${text}; they only add indexes, so it goes on`;
  throw new AppError(
    'UNAVAILABLE',
    `${text}. Start the newer release, or restore a backup that was made before it was started`,
  );
}

const isOnlyHistory = ({ tables }: History) => tables.size === 1 && tables.has(TABLE);

const releaseOf = (of: Note | undefined) =>
  of?.release ? `Synclog ${of.release}` : 'a release that did not note its version';
