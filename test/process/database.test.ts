import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { schemaDifference } from '../../prisma/schema-difference.ts';
import type { Database, Queryable } from '../../src/db/database.ts';
import { migrate, migrationsFolder } from '../../src/db/migrations.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import { sql } from '../../src/db/sql.ts';
import { defaultLimits } from '../../src/limits.ts';
import { openEventLog } from '../../src/log/event-log.ts';
import { createDatabase, openAgain, provider } from '../support/database.ts';
import { startScript } from '../support/database-process.ts';
import { startServer } from '../support/server.ts';

let url: string;
let drop: () => Promise<void>;
let database: Database;

beforeAll(async () => {
  ({ url, drop } = await createDatabase());
  await migrate(url);
  database = await openDatabase(url);
});
afterAll(async () => {
  await database.close();
  await drop();
});

/** An empty database that goes with the test. */
async function another(): Promise<string> {
  const other = await createDatabase();
  onTestFinished(other.drop);
  return other.url;
}

describe('the database', () => {
  test('is what the models say once it is migrated', async () => {
    expect(await schemaDifference(url)).toBe('');
  });

  test.runIf(provider === 'postgresql')('has a commit on its disk before it is acknowledged', async () => {
    expect(await database.reader.$queryRaw`SHOW synchronous_commit`).toEqual([{ synchronous_commit: 'on' }]);
  });

  test.each([
    ['a column that is missing', 'ALTER TABLE sync_run DROP COLUMN message', 'message'],
    ['a table too many', 'CREATE TABLE stray (id INTEGER PRIMARY KEY)', 'stray'],
    ['an index that is missing', 'DROP INDEX user_created_at_id_idx', 'user_created_at_id_idx'],
  ])('is told apart from one with %s', async (_, change, name) => {
    const other = await another();
    await migrate(other);
    const changed = await openDatabase(other);
    await changed.transaction((transaction) => transaction.$executeRawUnsafe(change));
    await changed.close();
    expect(await schemaDifference(other)).toContain(name);
  });

  test.runIf(provider === 'postgresql')('is migrated once by several instances that start at once', async () => {
    const other = await another();
    const all = readdirSync(migrationsFolder(provider)).filter((name) => !name.endsWith('.toml'));
    const applied = await Promise.all(Array.from({ length: 5 }, () => migrate(other)));
    expect(applied.flat()).toEqual(all.sort());
    expect(await schemaDifference(other)).toBe('');
  });

  test.runIf(provider === 'postgresql')('has ids, times and JSON in the types that Postgres has for them', async () => {
    const rows = await database.reader.$queryRaw<{ column: string; type: string }[]>`
      SELECT c.relname || '.' || a.attname AS "column", format_type(a.atttypid, a.atttypmod) AS type
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
      WHERE a.attnum > 0 AND c.relname IN ('user', 'sync_event', 'sync_run', 'api_key')`;
    const types = new Map(rows.map(({ column, type }) => [column, type]));
    const uuids = ['user.id', 'sync_event.id', 'sync_event.user_id', 'sync_event.primary_user_id', 'sync_run.user_id'];
    for (const column of [...uuids, 'sync_run.primary_user_id', 'api_key.id'])
      expect([column, types.get(column)]).toEqual([column, 'uuid']);
    const times = [...types].filter(([column]) => /_at$|\.timestamp$/.test(column));
    expect(times.length).toBeGreaterThan(10);
    for (const [column, type] of times) expect([column, type]).toEqual([column, 'timestamp(3) with time zone']);
    expect(types.get('sync_event.metadata')).toBe('jsonb');
  });

  test.runIf(provider === 'postgresql')('answers what docs/guarantees.md asks it about its size', async () => {
    const page = readFileSync(new URL('../../docs/guarantees.md', import.meta.url), 'utf8');
    const [, block = ''] = /```sql\n([^`]+)```/.exec(page) ?? [];
    const questions = block.trim().split('\n');
    const answers = await Promise.all(questions.map((question) => database.reader.$queryRawUnsafe(question)));
    expect(answers).toEqual([
      [{ count: 0n, bytes_per_event: expect.anything() }],
      [{ count: 0n, bytes_per_run: expect.anything() }],
    ]);
  });

  test('is left alone by a second migration', async () => {
    expect(await migrate(url)).toEqual([]);
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

  test.each([
    ['decision', { throws: true, text: 'SELECT 1' }],
    ['write', { throws: false, text: 'SELECT 1 FROM nowhere' }],
  ])('takes a change back whose %s fails, and lets go of what it has locked', async (_, { throws, text }) => {
    const id = randomUUID();
    await database.transaction((transaction) => transaction.user.create({ data: { id } }));
    const rename = (name: string) => sql`UPDATE "user" SET first_name = ${name} WHERE id = ${id} RETURNING id`;
    const failing = database.change(async (reading) => {
      await reading.$queryRaw(rename('Half'));
      if (throws) throw new Error('nowhere');
      return { answer: undefined, writes: [{ text, rows: [[]] }] };
    });
    await expect(failing).rejects.toThrow('nowhere');
    const other = await openAgain(url);
    const whole = async (reading: Queryable) => ({ answer: await reading.$queryRaw(rename('Whole')), writes: [] });
    for (const each of [other, database]) {
      expect(await each.reader.user.findUnique({ where: { id } })).not.toMatchObject({ firstName: 'Half' });
      expect(await each.change(whole)).toEqual([{ id }]);
    }
    expect(await other.reader.user.findUnique({ where: { id } })).toMatchObject({ firstName: 'Whole' });
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
    const other = startScript(
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
});
