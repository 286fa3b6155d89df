import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import LibSql from 'libsql';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readOnlyLibSql } from '../../src/db/libsql-adapter.ts';
import { migrate } from '../../src/db/migrations.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import { sqlitePath } from '../../src/db/sqlite-path.ts';
import { SqliteReadConnection } from '../../src/db/sqlite-read-connection.ts';
import { newFileUrl, openAgain, openNewDatabase } from '../support/database.ts';
import { startScript } from '../support/database-process.ts';
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

  test('holds nothing any more of a user who was erased, nor of what was replaced', async () => {
    const url = newFileUrl();
    const server = await startServer({ database: { url, drop: async () => {} } });
    const id = await server.user({ email: 'before-marker@mail.example', firstName: 'Marker-First' });
    await server.user({ id, email: 'after-marker@mail.example' });
    const event = {
      userId: id,
      message: `marker-message ${'m'.repeat(3_000)}`,
      error: `marker-error ${'e'.repeat(9_000)}`,
    };
    for (let batch = 0; batch < 5; batch += 1) await server.record(...Array.from({ length: 40 }, () => event));
    const { data } = await server.graphql(`mutation { deleteUser(id: "${id}") { receipt { events } } }`);
    expect(data.deleteUser.receipt.events).toBe(200);
    await server.close();
    const left = readFileSync(sqlitePath(url), 'latin1').match(
      /(?:before|after)-marker|marker-(?:first|message|error)/gi,
    );
    expect(left).toBeNull();
  });

  test('is not written, nor locked, through the connection that reads', async () => {
    const { url, database } = await openNewDatabase();
    const other = await openAgain(url);
    const id = randomUUID();
    const refused = [
      () => database.reader.user.create({ data: { id } }),
      () => database.reader.$executeRaw`UPDATE user SET email = NULL`,
      () => database.reader.$executeRaw`BEGIN IMMEDIATE`,
      () => database.reader.$transaction((transaction) => transaction.user.count()),
      () => database.reader.$transaction([database.reader.user.count(), database.reader.user.count()]),
      // Prisma makes two statements of it, in a transaction.
      () => database.reader.user.findMany({ where: { id: { in: Array.from({ length: 1_001 }, () => randomUUID()) } } }),
    ];
    const refuse = async () => {
      for (const attempt of refused) await expect(attempt()).rejects.toThrow(/readonly|begins no transaction/);
    };
    await refuse();
    await other.transaction(async (transaction) => {
      await transaction.user.create({ data: { id } });
      await refuse(); // and waits for no lock
      expect(await database.reader.user.count()).toBe(0);
    });
    expect(await database.reader.user.findMany({ select: { id: true } })).toEqual([{ id }]);
  });

  test('is read as it is now by a connection that met a lock before', async () => {
    const { url, database } = await openNewDatabase();
    const reading = await readOnlyLibSql(new SqliteReadConnection(sqlitePath(url), { patienceMs: 0 })).connect();
    onTestFinished(() => reading.dispose());
    const run = (sql: string) => reading.executeRaw({ sql, args: [], argTypes: [] });
    const names = async () => {
      const { rows } = await reading.queryRaw({ sql: 'SELECT name FROM source ORDER BY name', args: [], argTypes: [] });
      return rows.flat();
    };
    const create = (name: string) =>
      database.transaction(async (transaction) => {
        await transaction.source.create({ data: { name } });
        // Only as one that may write can it meet the lock; the driver leaves the statement open.
        await run('PRAGMA query_only = OFF');
        await expect(run('BEGIN IMMEDIATE')).rejects.toMatchObject({ cause: { kind: 'SocketTimeout' } });
      });
    await create('a');
    expect(await names()).toEqual(['a']);
    await create('b');
    expect(await names()).toEqual(['a', 'b']);
    await create('c');
    expect(await names()).toEqual(['a', 'b', 'c']);
    await expect(run('DELETE FROM source')).rejects.toThrow(/readonly/);
  });

  test('lets others read while a read of Prisma waits for a lock', async () => {
    const url = newFileUrl();
    await migrate(url);
    const reading = await readOnlyLibSql(new SqliteReadConnection(sqlitePath(url))).connect();
    onTestFinished(() => reading.dispose());
    const stranger = new LibSql(sqlitePath(url));
    stranger.exec('PRAGMA locking_mode = EXCLUSIVE');
    stranger.exec('BEGIN EXCLUSIVE');
    const settled: string[] = [];
    const read = async (name: string, sql: string) => {
      const { rows } = await reading.queryRaw({ sql, args: [], argTypes: [] }).finally(() => settled.push(name));
      return rows;
    };
    const waiting = read('needs the file', 'SELECT name FROM log_state');
    expect(await read('needs no lock', 'SELECT 1')).toEqual([[1]]);
    stranger.close();
    expect(await waiting).toEqual([['log']]);
    expect(settled).toEqual(['needs no lock', 'needs the file']);
  });

  test('is not opened again by a read that waits for a lock when it is closed', async () => {
    const { url, database } = await openNewDatabase();
    const reading = new SqliteReadConnection(sqlitePath(url));
    await database.transaction(async (transaction) => {
      await transaction.source.create({ data: { name: 'a' } });
      // Only as one that may write can it meet the lock.
      await reading.all('PRAGMA query_only = OFF', []);
      const waiting = reading.all('BEGIN IMMEDIATE', []);
      reading.close();
      await expect(waiting).rejects.toThrow('The database is closed');
    });
  });

  test.each(['READONLY', 'IOERR', 'CANTOPEN', 'CORRUPT', 'NOTADB', 'PROTOCOL'])(
    'is opened anew, to be read and to be written, after a write that met SQLITE_%s',
    async (word) => {
      const { database } = await openNewDatabase();
      const { reader } = database;
      const count = async () => [
        (await reader.$queryRaw<object[]>`SELECT name FROM source`).length,
        await reader.source.count(),
      ];
      expect(await count()).toEqual([0, 0]);
      const failed = Object.assign(new Error(word), { code: `SQLITE_${word}` });
      await expect(database.transaction(() => Promise.reject(failed))).rejects.toThrow(failed);
      expect(await count()).toEqual([0, 0]);
      await database.transaction((transaction) => transaction.source.create({ data: { name: 'a' } }));
      expect(await count()).toEqual([1, 1]);
    },
  );

  test('is one file for who reads and who writes, however its URL is written', async () => {
    const folder = dirname(newFileUrl().slice('file:'.length));
    for (const url of [
      `file:${folder}/a%20b/c%C3%A9.db`,
      `file://localhost${folder}/d.db`,
      `file:${folder}/e.db?tls=0`,
    ]) {
      await migrate(url);
      const database = await openAgain(url);
      await database.transaction((transaction) => transaction.source.create({ data: { name: url } }));
      expect(await database.reader.$queryRaw`SELECT name FROM source`).toEqual([{ name: url }]);
    }
    expect(readdirSync(folder).filter((name) => !/-(wal|shm)$/.test(name))).toEqual(['a b', 'd.db', 'e.db']);
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

  test('waits with writes for that of another process, reads meanwhile, and never stops for it', async () => {
    const server = await startServer();
    const userId = await server.user();
    await server.record({ userId }); // all that runs below has run before
    const other = startScript(
      server.databaseUrl,
      `await database.transaction(async (transaction) => {
        await transaction.user.updateMany({ where: { id: '${userId}' }, data: { firstName: 'Other' } });
        console.log('holds the lock');
        await input.next();
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      });
      console.log('committed');`,
    );
    await other.says('holds the lock');
    const pauses = monitorEventLoopDelay({ resolution: 5 });
    pauses.enable();
    let written = 0;
    const count = () => {
      written += 1;
    };
    const recordings = Array.from({ length: 10 }, () => server.record({ userId }));
    const newUsers = Array.from({ length: 3 }, () => server.user());
    const writes = [...recordings, ...newUsers];
    for (const write of writes) write.then(count, count);
    other.tell('commit, but in a second');
    const read = async () => (await server.graphql(`{ user(id: "${userId}") { firstName headCursor } }`)).data.user;
    let reads = 0;
    for (; ; reads += 1) {
      const writtenBefore = written;
      const { firstName, headCursor } = await read();
      if (firstName === 'Other') break;
      expect([headCursor, writtenBefore]).toEqual(['1', 0]);
    }
    expect(reads).toBeGreaterThan(0);
    await other.says('committed');
    const sequences = (await Promise.all(recordings)).map(([result]) => result?.event.sequence);
    await Promise.all(newUsers);
    pauses.disable();
    // The driver waits for a lock natively, where nothing else runs; other tests run beside this one.
    expect(pauses.max / 1e6).toBeLessThan(100 + 400);
    expect(sequences.sort((a, b) => Number(a) - Number(b))).toEqual(recordings.map((_, index) => index + 2));
    expect(await read()).toEqual({ firstName: 'Other', headCursor: '11' });
    await other.end();
    await server.close();
  });

  test('is closed without stopping for another process that writes', async () => {
    const { url } = await openNewDatabase();
    const database = await openDatabase(url);
    const other = await openAgain(url);
    await other.transaction(async (transaction) => {
      await transaction.source.create({ data: { name: 'a' } });
      const pauses = monitorEventLoopDelay({ resolution: 5 });
      pauses.enable();
      await database.close();
      pauses.disable();
      expect(pauses.max / 1e6).toBeLessThan(100 + 400);
    });
    expect(await other.reader.$queryRaw`SELECT name FROM source`).toEqual([{ name: 'a' }]);
  });
});
