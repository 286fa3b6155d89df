import { describe, expect, onTestFinished, test } from 'vitest';
import type { AppOptions } from '../../src/app.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import { defaultLimits } from '../../src/limits.ts';
import { openEventLog } from '../../src/log/event-log.ts';
import { openNewDatabase } from '../support/database.ts';
import { holdLooks } from '../support/held-looks.ts';
import { type LogReader, type LogWish, lazyTransports, openLog, readLog } from '../support/log-reader.ts';
import { anEvent, startServer } from '../support/server.ts';
import { plainSql } from '../support/sql.ts';
import { streamTransports } from '../support/streams.ts';

const never = 3_600_000;

/** Does the statement read events, other than to see whether a new one is known already? */
const readsLog = (sql: string) => /FROM sync_event|JOIN sync_event/.test(sql) && !/e\.id (IN|= ANY)/.test(sql);

/** A server that reports what is read from the logs, and a user. Statements for which `fails` is true fail. */
async function start(limits: AppOptions['limits'], fails: (sql: string) => boolean = () => false) {
  const reads: { rows: number }[] = [];
  const server = await startServer({
    ...(limits && { limits }),
    onStatement({ sql, rows }) {
      if (readsLog(sql)) reads.push({ rows });
      if (fails(sql)) throw new Error('The disk is gone');
    },
  });
  onTestFinished(() => server.close());
  const userId = await server.user();
  return {
    server,
    userId,
    reads,
    rowsRead: () => reads.reduce((sum, { rows }) => sum + rows, 0),
    record: (count: number, event: object = {}) =>
      server.record(...Array.from({ length: count }, () => ({ userId, ...event }))),
    follow: (transport: keyof typeof streamTransports, wish: Omit<LogWish, 'userId'> = {}) =>
      openLog(streamTransports[transport], { url: server.url, headers: server.admin }, { userId, ...wish }),
  };
}

const sequences = (events: readonly { sequence: number }[]) => events.map(({ sequence }) => sequence);
const oneTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

describe('a change of a log costs one read', () => {
  test('for clients with different filters and positions on different transports', async () => {
    const { record, follow, reads } = await start({ slowPollMs: never });
    await record(5);
    const everything = await follow('websocket', { after: '0' });
    const some = await follow('sse', { replayLast: 2, filter: { providers: ['garmin'] } });
    const nothing = await follow('websocket', { filter: { providers: [] } });
    for (const reader of [everything, some, nothing]) await reader.step();
    for (let head = 6; head <= 15; head += 1) {
      reads.length = 0;
      await record(1, { provider: head % 2 === 0 ? 'garmin' : 'oura' });
      expect(sequences(await everything.eventsUpTo(head))).toEqual([head]);
      if (head % 2 === 0) expect(sequences(await some.eventsUpTo(head))).toEqual([head]);
      expect(reads).toEqual([{ rows: 1 }]);
    }
  });

  test('for fifty followers', async () => {
    const { record, follow, reads } = await start({ slowPollMs: never });
    const readers: LogReader[] = [];
    for (let each = 0; each < 25; each += 1) readers.push(await follow('websocket'), await follow('sse'));
    await Promise.all(readers.map((reader) => reader.step()));
    for (let round = 1; round <= 5; round += 1) {
      reads.length = 0;
      await record(3);
      for (const events of await Promise.all(readers.map((reader) => reader.eventsUpTo(3 * round))))
        expect(sequences(events)).toEqual([3 * round - 2, 3 * round - 1, 3 * round]);
      expect(reads).toEqual([{ rows: 3 }]);
    }
  });

  test('and nothing where nobody follows', async () => {
    const { server, record, follow, reads } = await start({ slowPollMs: never });
    const reader = await follow('sse');
    await reader.step();
    await reader.close();
    await expect.poll(() => server.app.services.log.followedLogs).toBe(0);
    await record(1);
    expect(reads).toEqual([]);
  });

  test('and looking after lost wake-ups costs one statement, however many logs are followed', async () => {
    const looks: number[] = [];
    const server = await startServer({
      limits: { slowPollMs: 20 },
      onStatement({ sql, rows }) {
        if (/^\s*SELECT[^;]*head_sequence[^;]*FROM user/.test(plainSql(sql))) looks.push(rows);
      },
    });
    onTestFinished(() => server.close());
    const users = await Promise.all(oneTo(10).map(() => server.user()));
    const wishes = users.map((userId) => ({ userId }));
    const source = { url: server.url, headers: server.admin };
    const readers = await Promise.all(wishes.map((wish) => openLog(streamTransports.websocket, source, wish)));
    await Promise.all(readers.map((reader) => reader.step()));
    looks.length = 0;
    // Under load, one of them may be read at the time, and is not looked after then.
    await expect.poll(() => looks.filter((logs) => logs === 10).length).toBeGreaterThan(5);
  });
});

describe.each(Object.entries(lazyTransports))('a client that does not read, over %s', (_name, openStream) => {
  test('is sent what the connection holds and no more, and later reads everything in order', async () => {
    const total = 2_000;
    const { server, userId, record, follow, rowsRead } = await start({ slowPollMs: never });
    // Twice 10 kB for each event on the wire.
    const query = readLog.replace('message', 'message metadata again: metadata');
    const source = { url: server.url, headers: server.admin };
    const slow = await openLog(openStream, source, { userId, after: '0' }, query);
    await slow.step();
    for (let left = total; left > 0; left -= 50) await record(50, { metadata: { filler: 'x'.repeat(10_000) } });
    // Another one who reads: what it has got by now, the slow one could have got as well.
    expect(await (await follow('websocket', { after: '0' })).eventsUpTo(total)).toHaveLength(total);
    const before = rowsRead();
    expect(sequences(await slow.eventsUpTo(total))).toEqual(oneTo(total));
    expect(rowsRead() - before).toBeGreaterThan(total / 2);
  }, 240_000); // 20 MB of events are recorded first
});

test('a follower is told at once that it has caught up, though its filter lets nothing through', async () => {
  const { record, follow } = await start({ slowPollMs: never, checkpointMs: never, pageSize: 5 });
  await record(12);
  const reader = await follow('websocket', { after: '0', filter: { providers: [] } });
  const steps = await reader.until(({ caughtUp }) => caughtUp);
  expect(steps.map(({ cursor }) => cursor)).toEqual(['5', '12']);
});

describe('a follower misses nothing', () => {
  test('when another process records events and nothing wakes it: it only gets them later', async () => {
    const { server, userId, follow, record } = await start({ slowPollMs: 100 });
    const readers = [await follow('websocket', { after: '0' }), await follow('sse')];
    for (const reader of readers) await reader.step();
    const database = await openDatabase(server.databaseUrl);
    const limits = defaultLimits;
    const elsewhere = openEventLog({ database, limits, clock: Date.now, onError: () => {} });
    onTestFinished(async () => {
      await elsewhere.close();
      await database.close();
    });
    for (let round = 0; round < 3; round += 1) {
      await elsewhere.record(oneTo(4).map(() => ({ ...wireEvent, userId })));
      await record(1);
    }
    await elsewhere.record(oneTo(300).map(() => ({ ...wireEvent, userId })));
    for (const reader of readers) expect(sequences(await reader.eventsUpTo(315))).toEqual(oneTo(315));
  });

  test('when reading a change fails: it is read again', async () => {
    let failing = false;
    const { record, follow } = await start({ slowPollMs: 100 }, (sql) => failing && readsLog(sql));
    const reader = await follow('websocket');
    await reader.step();
    failing = true;
    await record(2);
    failing = false;
    await record(1);
    expect(sequences(await reader.eventsUpTo(3))).toEqual([1, 2, 3]);
    failing = true;
    await record(2);
    failing = false; // nothing else wakes it
    expect(sequences(await reader.eventsUpTo(5))).toEqual([4, 5]);
  });

  test('when reading its replay fails: the stream ends with an error that tells nothing else, and the cursor is good', async () => {
    let failing = false;
    const { server, record, follow } = await start({ pageSize: 2, tailEvents: 2 }, (sql) => failing && readsLog(sql));
    await record(5);
    failing = true;
    for (const [transport, by] of [
      ['websocket', { closeCode: 1013 }],
      ['sse', { closeCode: undefined }],
    ] as const)
      expect(await (await follow(transport, { after: '0' })).end()).toMatchObject({
        code: 'INTERNAL_SERVER_ERROR',
        by,
      });
    failing = false;
    await expect.poll(() => server.app.services.log.followedLogs).toBe(0);
    expect(sequences(await (await follow('sse', { after: '0' })).eventsUpTo(5))).toEqual(oneTo(5));
  });

  test('when the log grows while it is being looked at: an answer that comes late is not taken for another log', async () => {
    const { database } = await openNewDatabase();
    const looks = holdLooks(database);
    const log = openEventLog({
      database: looks.database,
      limits: { ...defaultLimits, slowPollMs: 10 },
      clock: Date.now,
      onError: () => {},
    });
    const userId = crypto.randomUUID();
    await database.transaction((transaction) => transaction.user.create({ data: { id: userId } }));
    const follower = log.follow({ userId }, new AbortController().signal);
    onTestFinished(async () => {
      await follower.return();
      await log.close();
    });
    await follower.next();
    for (let sequence = 1; sequence <= 3; sequence += 1) {
      const { arrived, release } = looks.hold();
      await arrived;
      await log.record([{ ...wireEvent, userId }]);
      expect((await follower.next()).value).toMatchObject({ events: [{ sequence }] });
      release();
    }
  });
});

const wireEvent = { ...anEvent, source: 'pull', stage: 'fetching', status: 'in_progress' };
