import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../src/db/database.ts';
import { openDatabase } from '../src/db/open-database.ts';
import { migrate, schemaDifference } from '../src/db/migrate.ts';
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
});
