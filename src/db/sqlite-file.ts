import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Libsql from 'libsql';

/** How long the last checkpoint may wait for another process. */
const CHECKPOINT_BUSY_MS = 1_000;

/**
 * Makes the folder of a SQLite file, and looks whether a file can be there: the driver only has numbers for why not.
 * @throws what the file system says
 */
export function prepareSqliteFile(path: string): void {
  makeFolder(dirname(path));
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory()) throw new Error('it is a folder, and not a file');
  if (found) accessSync(path, constants.R_OK);
}

/** Node's own way to make all parents of a folder never ends where the system lets nobody make any, as in /proc. */
function makeFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  if (dirname(path) !== path) makeFolder(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    // Another process has made it in between.
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST' && statSync(path).isDirectory()))
      throw error;
  }
}

/**
 * Moves what is in the write-ahead log into the file, so that the one file is the database. It is for the end: connections
 * that were closed before leave the log behind, as the driver keeps statements open. What cannot be moved, for another
 * process or a full disk, stays in the log, where the next start finds it.
 */
export function gatherIntoFile(path: string): void {
  if (!statSync(path, { throwIfNoEntry: false })) return; // the driver would make an empty one
  try {
    const connection = new Libsql(path, { timeout: CHECKPOINT_BUSY_MS });
    try {
      connection.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all();
    } finally {
      connection.close();
    }
  } catch {
    // Nothing is lost by it.
  }
}
