import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../src/db/database.ts';
import { migrate, schemaDifference } from '../src/db/migrate.ts';
import { openDatabase } from '../src/db/open-database.ts';
import { openEventLog } from '../src/events/event-log.ts';
import { defaultLimits } from '../src/limits.ts';
import { startServer } from './support/server.ts';

const folder = mkdtempSync(join(tmpdir(), 'synclog-'));
const url = `file:${join(folder, 'synclog.db')}`;
let database: Database;

beforeAll(async () => {
  await migrate(url);
  database = await openDatabase(url);
});
afterAll(async () => {
  await database.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('the database', () => {
  test('is what the models say once it is migrated', async () => {
    expect(await schemaDifference(url)).toBe('');
  });

  test('is told apart from one that differs', async () => {
    const other = `file:${join(folder, 'other.db')}`;
    await migrate(other);
    const changed = await openDatabase(other);
    await changed.reader.$executeRaw`ALTER TABLE user DROP COLUMN email`;
    await changed.close();
    expect(await schemaDifference(other)).toContain('email');
  });

  test('is left alone by a second migration', async () => {
    expect(await migrate(url)).toEqual([]);
  });

  test('writes ahead, and to the disk before a commit is acknowledged', async () => {
    const FULL = 2;
    expect(await database.reader.$queryRaw`PRAGMA journal_mode`).toEqual([{ journal_mode: 'wal' }]);
    const pragmas = await database.transaction(async (transaction) => {
      await transaction.$executeRaw`UPDATE user SET head_sequence = 0 WHERE false`;
      return transaction.$queryRaw`PRAGMA synchronous`;
    });
    expect(pragmas).toEqual([{ synchronous: FULL }]);
    expect(await database.reader.$queryRaw`PRAGMA foreign_keys`).toEqual([{ foreign_keys: 1 }]);
  });

  test('rolls a failed transaction back and goes on with the next', async () => {
    const id = '0b6e2a54-7d0c-4f5e-9a51-3c1f6f2ad0aa';
    const failure = new Error('on purpose');
    await expect(
      database.transaction(async (transaction) => {
        await transaction.user.create({ data: { id } });
        throw failure;
      }),
    ).rejects.toBe(failure);
    expect(await database.reader.user.findUnique({ where: { id } })).toBeNull();
    await database.transaction((transaction) => transaction.user.create({ data: { id } }));
    expect(await database.reader.user.findUnique({ where: { id } })).toMatchObject({ id });
  });

  test('loses nothing when two connections write the same log at once', async () => {
    const server = await startServer();
    const userId = await server.user();
    const other = await openDatabase(server.databaseUrl);
    const log = openEventLog({
      database: other,
      limits: defaultLimits,
      clock: Date.now,
      onError: (error) => expect.unreachable(String(error)),
    });
    const event = { userId, runId: 'r', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };
    await Promise.all(
      Array.from({ length: 100 }, (_, index) => (index % 2 ? server.record({ userId }) : log.record([event]))),
    );
    const { data } = await server.graphql(
      `{ user(id: "${userId}") { headCursor recentSyncEvents(limit: 200) { sequence } } }`,
    );
    expect(data.user.headCursor).toBe('100');
    expect(data.user.recentSyncEvents.map(({ sequence }: { sequence: number }) => sequence)).toEqual(
      Array.from({ length: 100 }, (_, index) => 100 - index),
    );
    await log.close();
    await other.close();
    await server.close();
  });

  test('loses nothing when two processes write the same log at once', async () => {
    const server = await startServer();
    const userId = await server.user();
    const other = startProcess(
      server.databaseUrl,
      `const log = openEventLog({ database, limits: defaultLimits, clock: Date.now, onError: console.error });
      console.log('ready');
      await input.next();
      for (let n = 0; n < 60; n++) await log.record([{ ...event, userId: '${userId}' }]);
      await log.close();
      console.log('done');`,
    );
    await other.says('ready');
    other.tell('go');
    for (let n = 0; n < 60; n++) await server.record({ userId });
    await other.says('done');
    const { data } = await server.graphql(
      `{ user(id: "${userId}") { headCursor recentSyncEvents(limit: 200) { sequence } } }`,
    );
    expect(data.user.headCursor).toBe('120');
    expect(data.user.recentSyncEvents.map(({ sequence }: { sequence: number }) => sequence)).toEqual(
      Array.from({ length: 120 }, (_, index) => 120 - index),
    );
    await other.end();
    await server.close();
  });

  test('waits with a write for that of another process, and reads meanwhile', async () => {
    const server = await startServer();
    const userId = await server.user();
    const other = startProcess(
      server.databaseUrl,
      `await database.transaction(async (transaction) => {
        await transaction.user.updateMany({ where: { id: '${userId}' }, data: { firstName: 'Other' } });
        console.log('holds the lock');
        await input.next();
      });
      console.log('committed');`,
    );
    await other.says('holds the lock');
    const pauses = monitorEventLoopDelay();
    pauses.enable();
    let recorded = false;
    const recording = server.record({ userId }).then((results) => {
      recorded = true;
      return results;
    });
    const read = () => server.graphql(`{ user(id: "${userId}") { firstName headCursor } }`);
    for (let n = 0; n < 5; n++) expect((await read()).data.user).toEqual({ firstName: null, headCursor: '0' });
    expect(recorded).toBe(false);
    // The driver waits for a lock without letting anything else run: five seconds, if it is allowed to.
    pauses.disable();
    expect(pauses.max / 1e6).toBeLessThan(2_500);
    other.tell('commit');
    await other.says('committed');
    expect(await recording).toMatchObject([{ event: { sequence: 1 } }]);
    expect((await read()).data.user).toEqual({ firstName: 'Other', headCursor: '1' });
    await other.end();
    await server.close();
  });
});

/** Another process on the same file. Its script has `database`, `event`, and `input`: the lines that it is told. */
function startProcess(databaseUrl: string, script: string) {
  const source = (path: string) => JSON.stringify(new URL(`../src/${path}`, import.meta.url).href);
  const prelude = `
    import { createInterface } from 'node:readline';
    import { openDatabase } from ${source('db/database.ts')};
    import { openEventLog } from ${source('events/event-log.ts')};
    import { defaultLimits } from ${source('limits.ts')};
    const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
    const database = await openDatabase(${JSON.stringify(databaseUrl)});
    const event = { runId: 'r', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };`;
  const child = spawn(
    process.execPath,
    [
      '--import',
      'tsx',
      '--input-type=module',
      '--eval',
      `${prelude}${script}; await database.close(); process.exit();`,
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const exited = once(child, 'exit');
  return {
    tell: (line: string) => child.stdin.write(`${line}\n`),
    says: async (line: string) => expect((await lines.next()).value).toBe(line),
    end: async () => expect(await exited).toEqual([0, null]),
  };
}
