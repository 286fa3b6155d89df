import { join } from 'node:path';
import { AppError } from '../errors.ts';
import { reasonOf } from '../lib/outages.ts';
import { retry } from '../lib/retry.ts';
import type { Provider } from './database.ts';
import { isBusy } from './faults.ts';
import { type Migration, readMigrations } from './migration.ts';
import { addToHistory, checkHistory, readHistory } from './migration-history.ts';
import { withMigrationLock } from './migration-lock.ts';
import type { MigrationSession } from './migration-session.ts';
import { nameOf, providerOf } from './open-database.ts';
import { openMigrationSession } from './open-migration.ts';
import { readStates, remainderOf } from './repair-migration.ts';
import { prismaFolder } from './schema-text.ts';

/** How long to wait for another process that keeps a SQLite file locked, as it does while it migrates. */
const BUSY_PATIENCE_MS = 120_000;
const BUSY_PAUSE_MS = { first: 10, longest: 200 };

/** The folder of a provider's migrations. */
export function migrationsFolder(provider: Provider, folder = prismaFolder): string {
  return join(folder, 'migrations', provider);
}

interface MigrateOptions {
  /** Told of what the operator should know although the database can be used. */
  readonly onWarning?: (text: string) => void;
  /** Told every five seconds for how long another instance has been waited for, in seconds. */
  readonly onWait?: (seconds: number) => void;
}

/**
 * Applies the migrations that a database lacks and returns their names, oldest first. Each is one transaction together
 * with the row that says so: a process that ends in the middle, in whatever way, leaves what was there before it, and the
 * next one goes on with the same migration. Of several instances that start at once, one applies them and the others
 * wait for it. A database that lacks none is only read.
 * @param folder where the models and the migrations are.
 * @throws AppError UNAVAILABLE with the reason, for a database that cannot be opened, or migrated, or is not ours.
 */
export async function migrate(url: string, folder = prismaFolder, options: MigrateOptions = {}): Promise<string[]> {
  const migrations = readMigrations(migrationsFolder(providerOf(url), folder));
  const applied: string[] = [];
  const startedAt = performance.now();
  await retry(() => explained(url, () => applyAll(url, migrations, applied, options)), {
    pauseMs: BUSY_PAUSE_MS,
    isTemporary: isBusy,
    onFailure(error) {
      if (performance.now() - startedAt < BUSY_PATIENCE_MS) return;
      throw new AppError(
        'UNAVAILABLE',
        `Another process has kept ${nameOf(url)} locked for ${BUSY_PATIENCE_MS / 1000} s: ${reasonOf(error)}`,
      );
    },
  });
  return applied;
}

/** How a database stands to the migrations of this release. */
export interface MigrationState {
  /** Those that it lacks, oldest first. */
  readonly pending: readonly string[];
  /** What the operator should know although the database can be used. */
  readonly warning: string | undefined;
}

/**
 * Reads what {@link migrate} would do, and changes nothing. A SQLite file has to be there, or it is made.
 * @throws AppError UNAVAILABLE as {@link migrate} does
 */
export async function readMigrationState(url: string, folder = prismaFolder): Promise<MigrationState> {
  const migrations = readMigrations(migrationsFolder(providerOf(url), folder));
  return explained(url, async () => {
    const session = await openMigrationSession(url);
    try {
      const history = await readHistory(session);
      const warning = checkHistory(history, migrations, nameOf(url));
      const pending = migrations.filter(({ name }) => !history.applied.has(name)).map(({ name }) => name);
      return { pending, warning };
    } finally {
      await session.close().catch(() => {}); // a connection that is broken has told so
    }
  });
}

/** @param applied grows with the names, so that an attempt which fails later on has not applied them in silence. */
async function applyAll(
  url: string,
  migrations: readonly Migration[],
  applied: string[],
  { onWarning, onWait }: MigrateOptions,
): Promise<void> {
  const session = await openMigrationSession(url);
  try {
    const history = await readHistory(session);
    const warning = checkHistory(history, migrations, nameOf(url));
    if (warning !== undefined) onWarning?.(warning);
    if (migrations.every(({ name }) => history.applied.has(name))) return;
    await withMigrationLock(url, onWait, async () => {
      for (const [index, migration] of migrations.entries())
        if (await apply(session, migration, migrations.slice(0, index), nameOf(url))) applied.push(migration.name);
    });
  } finally {
    await session.close().catch(() => {}); // a connection that is broken has told so
  }
}

/** Applies a migration unless it is. What was left in the middle of it is finished, where that can be proved. */
async function apply(
  session: MigrationSession,
  migration: Migration,
  earlier: readonly Migration[],
  database: string,
): Promise<boolean> {
  const { applied, unfinished } = await readHistory(session);
  if (applied.has(migration.name)) return false;
  try {
    if (unfinished.has(migration.name)) return await finish(session, migration, earlier);
    return await inTransaction(session, migration, () => session.run(migration.sql));
  } catch (error) {
    if (isBusy(error)) throw error;
    // It may have been left in the middle without a word of it.
    if (!unfinished.has(migration.name) && (await finish(session, migration, earlier).catch(() => false))) return true;
    const reason = error instanceof AppError ? error.message : reasonOf(error);
    throw new AppError('UNAVAILABLE', `The database ${database} cannot be migrated: ${migration.name}: ${reason}`);
  }
}

/** Does what is left of a migration that was cut off in the middle. */
async function finish(
  session: MigrationSession,
  migration: Migration,
  earlier: readonly Migration[],
): Promise<boolean> {
  const states = await readStates(session, migration, earlier);
  return inTransaction(session, migration, async () => {
    const remainder = await remainderOf(session, migration, states);
    if (!remainder)
      throw new AppError(
        'UNAVAILABLE',
        'it was cut off in the middle, and how far it came cannot be told from the schema. Restore a backup',
      );
    for (const statement of remainder.statements) await session.run(statement);
    if (!(await remainder.isComplete()))
      throw new AppError('UNAVAILABLE', 'what was left of it leads to another schema');
  });
}

async function inTransaction(
  session: MigrationSession,
  migration: Migration,
  work: () => Promise<void>,
): Promise<boolean> {
  await session.begin();
  try {
    const isNew = !(await readHistory(session)).applied.has(migration.name); // another process may have been quicker
    if (isNew) {
      await work();
      await addToHistory(session, migration);
    }
    await session.run('COMMIT');
    return isNew;
  } catch (error) {
    await session.rollback().catch(() => {}); // the connection is broken, and the transaction with it
    throw error;
  }
}

/** The drivers have no words for which database it is, and stacks that help nobody. */
async function explained<T>(url: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof AppError || isBusy(error)) throw error;
    throw new AppError('UNAVAILABLE', `The database ${nameOf(url)} cannot be opened: ${reasonOf(error)}`);
  }
}
