import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { migrate } from '../../src/db/migrations.ts';
import { newFileUrl } from '../support/database.ts';
import { startServer } from '../support/server.ts';

/**
 * A server with a user, the place of its file, and the lines of its log at `error` and above.
 * @param name under which the server is to know its file; by itself, the one that the file has
 */
async function startOwnServer(name?: (path: string) => string) {
  const lines: string[] = [];
  const logger = pino({ level: 'error' }, { write: (line: string) => void lines.push(line) });
  const path = newFileUrl().slice('file:'.length);
  const url = `file:${name?.(path) ?? path}`;
  const server = await startServer({ logger, database: { url, drop: async () => {} } });
  onTestFinished(() => server.close());
  const userId = await server.user();
  await server.record({ userId });
  const readiness = async () => (await fetch(`${server.url}/readyz`)).status;
  return { server, userId, path, lines, readiness };
}

const ways: [string, (path: string) => void][] = [
  ['deleted', (path) => rmSync(path)],
  ['deleted with what is beside it', (path) => ['', '-wal', '-shm'].forEach((end) => void rmSync(`${path}${end}`))],
  ['moved away', (path) => renameSync(path, `${path}.old`)],
  [
    'replaced',
    (path) => {
      copyFileSync(path, `${path}.new`);
      renameSync(`${path}.new`, path);
    },
  ],
  ['emptied', (path) => writeFileSync(path, '')],
  ['left without its -wal', (path) => rmSync(`${path}-wal`)],
];

test.each(ways)(
  'a file that is %s is noticed: nothing is recorded into it, and one line says so',
  async (_, happen) => {
    const { server, userId, path, lines, readiness } = await startOwnServer();
    expect(await readiness()).toBe(200);
    happen(path);
    await expect(server.record({ userId })).rejects.toThrow(/try again|not available|away/i);
    await expect.poll(readiness, { timeout: 5_000 }).toBe(503);
    await expect(server.record({ userId })).rejects.toThrow();
    await readiness();
    expect(lines.filter((line) => line.includes('the database is away'))).toEqual([
      expect.stringMatching(/file of the database was (deleted|replaced|emptied)/),
    ]);
    expect(lines).toHaveLength(1);
  },
);

/** The place of a link beside the file, to the file or to its folder. */
const linkFor = (path: string) => join(dirname(path), 'link');

function linkedFile(path: string): string {
  symlinkSync(path, linkFor(path));
  return linkFor(path);
}

function linkedFolder(path: string): string {
  symlinkSync(dirname(path), linkFor(path));
  return join(linkFor(path), 'synclog.db');
}

function pointElsewhere(link: string, target: string): void {
  symlinkSync(target, `${link}.new`);
  renameSync(`${link}.new`, link);
}

const namings: [string, (path: string) => string, (path: string) => void, (path: string) => void][] = [
  ['a link that is removed', linkedFile, (path) => rmSync(linkFor(path)), (path) => symlinkSync(path, linkFor(path))],
  [
    'a link that is pointed to another database',
    linkedFile,
    (path) => {
      copyFileSync(path, `${path}.other`);
      pointElsewhere(linkFor(path), `${path}.other`);
    },
    (path) => pointElsewhere(linkFor(path), path),
  ],
  [
    'a linked folder that is removed',
    linkedFolder,
    (path) => rmSync(linkFor(path)),
    (path) => symlinkSync(dirname(path), linkFor(path)),
  ],
  [
    'a linked folder that is pointed to another one',
    linkedFolder,
    (path) => {
      mkdirSync(join(dirname(path), 'other'));
      copyFileSync(path, join(dirname(path), 'other', 'synclog.db'));
      pointElsewhere(linkFor(path), join(dirname(path), 'other'));
    },
    (path) => pointElsewhere(linkFor(path), dirname(path)),
  ],
];

test.each(namings)(
  'a file behind %s is noticed, and used again once its name leads to it',
  async (_, name, happen, mend) => {
    const { server, userId, path, lines, readiness } = await startOwnServer(name);
    expect(await readiness()).toBe(200);
    happen(path);
    await expect(server.record({ userId })).rejects.toThrow(/try again|not available|away/i);
    await expect.poll(readiness, { timeout: 5_000 }).toBe(503);
    expect(lines).toEqual([expect.stringMatching(/the database is away/)]);
    expect(lines).toEqual([expect.stringMatching(/name of the database (was removed|leads to another file)/)]);
    mend(path);
    await expect.poll(readiness, { timeout: 5_000 }).toBe(200);
    expect(await server.record({ userId })).toMatchObject([{ event: { sequence: 2 } }]);
  },
);

test('a file that gets a second name goes on under its first, and nobody opens it under either meanwhile', async () => {
  const { server, userId, path, readiness } = await startOwnServer();
  const second = `${path}.second`;
  linkSync(path, second);
  for (const name of [path, second]) await expect(migrate(`file:${name}`)).rejects.toThrow(/has 2 names/);
  expect(statSync(`${second}-wal`, { throwIfNoEntry: false })).toBeUndefined();
  expect(await server.record({ userId })).toMatchObject([{ event: { sequence: 2 } }]);
  expect(await readiness()).toBe(200);
  rmSync(second);
  expect(await migrate(`file:${path}`)).toEqual([]);
});

test('a file that comes back is used again, and nothing is missing', async () => {
  const { server, userId, path, readiness } = await startOwnServer();
  renameSync(path, `${path}.away`);
  await expect.poll(readiness, { timeout: 5_000 }).toBe(503);
  renameSync(`${path}.away`, path);
  await expect.poll(readiness, { timeout: 5_000 }).toBe(200);
  expect(await server.record({ userId })).toMatchObject([{ event: { sequence: 2 } }]);
});

test('a server that stops makes no new file in the place of one that was deleted', async () => {
  const { server, path } = await startOwnServer();
  rmSync(path);
  await server.app.close();
  expect(existsSync(path)).toBe(false);
});
