import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Libsql from 'libsql';
import { AppError } from '../errors.ts';
import { reasonOf } from '../lib/outages.ts';
import { nameOf, providerOf } from './open-database.ts';
import { makeOwnFile, refuseOtherNames } from './sqlite-file.ts';
import { sqlitePath } from './sqlite-path.ts';

/** How long the beginning of a copy may wait for another process's lock. */
const BUSY_TIMEOUT_MS = 5_000;

/**
 * Copies a SQLite database into a new file, as it is at one moment, whatever a server does to it meanwhile. The file is
 * there under its name once it is whole and on the disk.
 * @returns its size in bytes
 * @throws AppError BAD_USER_INPUT for a file that cannot be made, or a database that this does not copy
 * @throws AppError UNAVAILABLE with the reason when the copy fails
 */
export function backUp(url: string, file: string): number {
  if (providerOf(url) === 'postgresql')
    throw new AppError(
      'BAD_USER_INPUT',
      `${nameOf(url)} is a Postgres, which has commands of its own: pg_dump --format=custom --file=${file} "$DATABASE_URL"`,
    );
  const path = sqlitePath(url);
  // The driver would make a file that is not there.
  if (!existsSync(path)) throw new AppError('BAD_USER_INPUT', `There is no database at ${nameOf(url)}`);
  try {
    copy(path, file, url);
    return statSync(file).size;
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('UNAVAILABLE', `The backup ${file} cannot be made: ${whyNot(error)}`);
  }
}

function copy(path: string, file: string, url: string): void {
  const folder = dirname(file);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new AppError('BAD_USER_INPUT', `The folder ${folder} does not exist`);
  refuseExisting(file);
  refuseOtherNames(path);

  // It is not named after the file, whose name may be as long as names can be.
  const part = join(folder, `synclog-backup-${randomUUID()}.part`);
  try {
    const connection = new Libsql(path, { timeout: BUSY_TIMEOUT_MS });
    try {
      if (!connection.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get())
        throw new AppError('BAD_USER_INPUT', `There is nothing to back up in ${nameOf(url)}: it has no tables`);
      makeOwnFile(part);
      connection.prepare('VACUUM INTO ?').run([part]);
    } finally {
      connection.close();
    }
    makeDurable(part);
    linkSync(part, file); // unlike a renaming, it replaces nothing
    rmSync(part);
    makeDurable(folder);
  } catch (error) {
    rmSync(part, { force: true });
    refuseExisting(file);
    throw error;
  }
}

function whyNot(error: unknown): string {
  if (error instanceof Error && 'code' in error && error.code === 'ENAMETOOLONG') return 'its name is too long';
  return reasonOf(error);
}

function refuseExisting(file: string): void {
  if (statSync(file, { throwIfNoEntry: false }))
    throw new AppError('BAD_USER_INPUT', `${file} exists already; a backup replaces nothing`);
}

function makeDurable(path: string): void {
  const descriptor = openSync(path, 'r');
  fsyncSync(descriptor);
  closeSync(descriptor);
}
