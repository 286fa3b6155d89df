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
