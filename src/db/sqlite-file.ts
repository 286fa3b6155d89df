import { accessSync, closeSync, constants, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** What is recorded is about people's health: nobody but the user of the server reads a file or a folder that it makes. */
const OWN_FILE = 0o600;
const OWN_FOLDER = 0o700;

/**
 * Makes the folder and the file of a SQLite database where they are missing, and looks whether a file can be there: the driver
 * only has numbers for why not. SQLite gives the files that it makes beside this one the same mode. The mode of what is there
 * already is its owner's.
 * @throws what the file system says
 */
export function prepareSqliteFile(path: string): void {
  makeFolder(dirname(path));
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory()) throw new Error('it is a folder, and not a file');
  if (found) accessSync(path, constants.R_OK);
  else makeOwnFile(path);
  refuseOtherNames(path);
}

/** Makes an empty file, which SQLite takes for a new database, unless another process has made one in between. */
export function makeOwnFile(path: string): void {
  closeSync(openSync(path, 'a', OWN_FILE));
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
    mkdirSync(path, OWN_FOLDER);
  } catch (error) {
    // Another process has made it in between.
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST' && statSync(path).isDirectory()))
      throw error;
  }
}
