import { statfsSync } from 'node:fs';

/** Linux' file system in memory, and what has to be free in it for the databases of a run, in bytes. */
const folder = '/dev/shm';
const needed = 2 * 2 ** 30;

/**
 * Where databases of tests lie in memory, if there is room, because most of what a small recording takes is to wait for the
 * disk. No test loses its meaning: they kill processes, which what is written outlives in memory and on a disk alike, and
 * never the machine. That the disk is waited for is a setting, which test/db/ and test/process/ read back.
 */
export function memoryFolder(): string | undefined {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize >= needed ? folder : undefined;
  } catch {
    return undefined;
  }
}
