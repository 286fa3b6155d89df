import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Where Linux shows what this process has open. */
const openFiles = '/proc/self/fd';

/** Whether {@link timesOpen} can be told on this machine. */
export const showsOpenFiles = existsSync(openFiles);

/** How often this process has a SQLite file open. The driver leaves the connection of a past transaction to the garbage collector. */
export async function timesOpen(url: string): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc');
  collectGarbage();
  await nextTurn(); // finalizers
  const files = readdirSync(openFiles).map((fd) => {
    const link = `${openFiles}/${fd}`;
    return existsSync(link) ? readlinkSync(link) : ''; // one of them was the descriptor of this very look
  });
  return files.filter((path) => path === url.slice('file:'.length)).length;
}
