import { copyFileSync, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { newFileUrl } from '../support/database.ts';
import { startServer } from '../support/server.ts';

/** A server with a user, the place of its file, and the lines of its log at `error` and above. */
async function startOwnServer() {
  const lines: string[] = [];
  const logger = pino({ level: 'error' }, { write: (line: string) => void lines.push(line) });
  const url = newFileUrl();
  const server = await startServer({ logger, database: { url, drop: async () => {} } });
  onTestFinished(() => server.close());
  const userId = await server.user();
  await server.record({ userId });
  const readiness = async () => (await fetch(`${server.url}/readyz`)).status;
  return { server, userId, path: url.slice('file:'.length), lines, readiness };
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
