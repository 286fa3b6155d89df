import { readdirSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { describe, expect, test } from 'vitest';
import { openNewDatabase } from '../support/auth-database.ts';
import { startProcess } from '../support/database-process.ts';
import { startServer } from '../support/server.ts';

describe('a SQLite file', () => {
  test('writes ahead, and to the disk before a commit is acknowledged', async () => {
    const { database } = await openNewDatabase();
    const FULL = 2;
    expect(await database.reader.$queryRaw`PRAGMA journal_mode`).toEqual([{ journal_mode: 'wal' }]);
    const pragmas = await database.transaction(async (transaction) => {
      await transaction.$executeRaw`UPDATE user SET head_sequence = 0 WHERE false`;
      return transaction.$queryRaw`PRAGMA synchronous`;
    });
    expect(pragmas).toEqual([{ synchronous: FULL }]);
    expect(await database.reader.$queryRaw`PRAGMA foreign_keys`).toEqual([{ foreign_keys: 1 }]);
  });

  test('keeps one connection for all transactions', async () => {
    const { database } = await openNewDatabase();
    const openFiles = () => readdirSync('/proc/self/fd').length;
    const write = () => database.transaction((transaction) => transaction.$executeRaw`UPDATE user SET email = NULL`);
    await write();
    const before = openFiles();
    for (let times = 0; times < 100; times += 1) await write();
    expect(openFiles()).toBeLessThanOrEqual(before + 2);
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
