import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { reasonOf } from '../lib/outages.ts';
import { type Finding, findingsOf, sizeText } from './finding.ts';

const { ok, warning, problem } = findingsOf('database');

/** What a file that grows needs beside itself, with its log: below that a commit may soon be refused. */
const ENOUGH_ROOM = 1_000_000_000;
/** The log beside the file is moved into it as it grows, unless a reader never ends. */
const LONGEST_LOG = 200_000_000;

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

/** The first that is there, as the others are made. */
function nearestFolder(path: string): string {
  return existsSync(path) || path === dirname(path) ? path : nearestFolder(dirname(path));
}
