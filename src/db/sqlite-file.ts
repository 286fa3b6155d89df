import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes the folder of a SQLite file, and looks whether a file can be there: the driver only has numbers for why not.
 * @throws what the file system says
 */
export function prepareSqliteFile(path: string): void {
  makeFolder(dirname(path));
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory()) throw new Error('it is a folder, and not a file');
  if (found) accessSync(path, constants.R_OK);
  refuseOtherNames(path);
}

/**
 * SQLite keeps what was written last in files that are named after the database, so that processes that know one file by two
 * names would write over one another. Symbolic links are no such names: SQLite follows them.
 * @throws Error for a file that has another name
 */
export function refuseOtherNames(path: string): void {
  const names = statSync(path, { throwIfNoEntry: false })?.nlink ?? 0;
  if (names > 1)
    throw new Error(
      `the file has ${names} names (hard links), and it is only safe under a single one; remove the others`,
    );
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
