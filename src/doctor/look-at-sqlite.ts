import { accessSync, constants, existsSync, realpathSync, statfsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { reasonOf } from '../lib/outages.ts';
import { type Finding, findingsOf, sizeText } from './finding.ts';

const { ok, warning, problem } = findingsOf('database');

/** What a file that grows needs beside itself, with its log: below that a commit may soon be refused. */
const ENOUGH_ROOM = 1_000_000_000;
/** The log beside the file is moved into it as it grows, unless a reader never ends. */
const LONGEST_LOG = 200_000_000;

/** Is the machine code there that opens such files? It comes with npm, for the machine on which npm installs. */
export async function lookAtSqliteDriver(): Promise<Finding[]> {
  try {
    const { default: Libsql } = await import('libsql');
    new Libsql(':memory:').close();
    return [];
  } catch (error) {
    const [reason] = String(error).split('\n', 1); // who required it is told below that
    return [
      problem(
        `the package libsql, which opens SQLite files, cannot be loaded: ${reason}`,
        'install Synclog anew on a machine of this kind, with optional dependencies (`npm install --omit=dev`)',
      ),
    ];
  }
}

/** What can be said of a SQLite file without opening it. */
export function lookAtSqliteFile(path: string): Finding[] {
  const folder = nearestFolder(dirname(resolve(path)));
  const findings: Finding[] = [];
  try {
    accessSync(folder, constants.W_OK);
    if (existsSync(path)) accessSync(path, constants.R_OK | constants.W_OK);
  } catch (error) {
    return [
      problem(
        `${path} cannot be written to: ${reasonOf(error)}`,
        'give the user of the server the file and its folder',
      ),
    ];
  }
  const { bavail, bsize } = statfsSync(folder);
  const room = bavail * bsize;
  findings.push(
    room < ENOUGH_ROOM
      ? warning(`${sizeText(room)} are free where ${path} is`, 'make room: a full disk refuses every recording')
      : ok(`${sizeText(room)} are free where ${path} is`),
  );
  if (!existsSync(path)) return [...findings, ok(`${path} is made when the server starts`)];
  findings.push(ok(`${path} has ${sizeText(statSync(path).size)}`));
  const open = [path, `${path}-wal`, `${path}-shm`].filter(othersRead);
  if (open.length > 0)
    findings.push(
      warning(
        `any user of this machine can read ${open.join(', ')}`,
        `take that right away: \`chmod o= ${open.join(' ')}\`; copies and backups of an earlier release may have it, too`,
      ),
    );
  const log = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  if (log > LONGEST_LOG)
    findings.push(
      warning(
        `the log beside it, ${path}-wal, has grown to ${sizeText(log)}`,
        'look for a program that reads the file and does not end; the server moves the log into the file when it stops',
      ),
    );
  return findings;
}

/** Has a file that is there the right for everybody, and every folder above it? */
function othersRead(path: string): boolean {
  if (!existsSync(path)) return false;
  const real = realpathSync(path);
  return (statSync(real).mode & constants.S_IROTH) !== 0 && othersEnter(dirname(real));
}

function othersEnter(folder: string): boolean {
  if ((statSync(folder).mode & constants.S_IXOTH) === 0) return false;
  return folder === dirname(folder) || othersEnter(dirname(folder));
}

/** The first that is there, as the others are made. */
function nearestFolder(path: string): string {
  return existsSync(path) || path === dirname(path) ? path : nearestFolder(dirname(path));
}
