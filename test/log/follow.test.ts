import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LogWish, lazyTransports, openLog, readLog } from '../support/log-reader.ts';
import { type Headers, startServer, type TestServer } from '../support/server.ts';
import { streamTransports } from '../support/streams.ts';

const checkpointMs = 200;
/** Small, so that a log of a few events has several pages. */
const pageSize = 20;
const matchesNothing = { providers: ['nobody'] };

let server: TestServer;

beforeAll(async () => {
  server = await startServer({ limits: { checkpointMs, pageSize, slowPollMs: 3_600_000 } });
});
afterAll(() => server.close());

/** A user whose log has this many events. */
async function userWith(count: number, event: object = {}): Promise<string> {
  const userId = await server.user();
  await record(userId, count, event);
  return userId;
}

async function record(userId: string, count: number, event: object = {}): Promise<void> {
  for (let left = count; left > 0; left -= 500)
    await server.record(...Array.from({ length: Math.min(left, 500) }, () => ({ userId, ...event })));
}

/** What retention does: removes all events before `oldest`. */
async function expireBefore(userId: string, oldest: number): Promise<void> {
  await server.app.services.database.transaction(async (transaction) => {
    await transaction.user.update({ where: { id: userId }, data: { tailSequence: oldest } });
    await transaction.syncEvent.deleteMany({ where: { userId, sequence: { lt: oldest } } });
  });
}

const sequences = (events: readonly { sequence: number }[]) => events.map(({ sequence }) => sequence);
/** The whole numbers from the first to the last, both included. */
const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe.each(Object.entries(streamTransports))('a log followed over %s', (name, openStream) => {
  const follow = (wish: LogWish, headers: Headers = server.admin) =>
    openLog(openStream, { url: server.url, headers }, wish);
  const followLazily = (wish: LogWish, query?: string) =>
    openLog(
      lazyTransports[name as keyof typeof lazyTransports],
      { url: server.url, headers: server.admin },
      wish,
      query,
    );

  /** What a subscription that is refused answers, as code. */
  async function refusal(variables: object, headers: Headers = server.admin) {
    const stream = await openStream(server.url, { query: readLog, variables: { ...variables }, headers });
    const result = await stream.next();
    await stream.close();
    expect(result?.data?.syncEvents ?? null).toBeNull();
    return result?.errors?.[0];
  }

  describe('where it starts', () => {
    test('the first payload comes at once, from an empty log as well', async () => {
      const userId = await server.user();
      for (const wish of [{}, { after: '0' }, { replayLast: 5 }]) {
        const reader = await follow({ userId, ...wish });
        expect(await reader.step()).toMatchObject({
          events: [],
          cursor: '0',
          headCursor: '0',
          caughtUp: true,
          reset: null,
        });
      }
    });

    test('without `after` and `replayLast` it starts at the head', async () => {
      const userId = await userWith(3);
      const reader = await follow({ userId });
      expect(await reader.step()).toMatchObject({ events: [], cursor: '3', headCursor: '3', caughtUp: true });
      await record(userId, 2);
      expect(sequences(await reader.eventsUpTo(5))).toEqual([4, 5]);
    });

    test('`replayLast` starts that many events before the head, or at the beginning of a shorter log', async () => {
      const userId = await userWith(5);
      const some = await follow({ userId, replayLast: 3 });
      const all = await follow({ userId, replayLast: 6 });
      expect(await some.step()).toMatchObject({ events: [3, 4, 5].map((sequence) => ({ sequence })), cursor: '5' });
      expect(sequences((await all.step()).events)).toEqual([1, 2, 3, 4, 5]);
      await record(userId, 1);
      expect(sequences(await some.eventsUpTo(6))).toEqual([6]);
    });

    test('`replayLast` counts events of the log; the filter then takes some of them away', async () => {
      const userId = await userWith(3, { provider: 'garmin' });
      await record(userId, 2, { provider: 'oura' });
      const reader = await follow({ userId, replayLast: 3, filter: { providers: ['garmin'] } });
      expect(await reader.step()).toMatchObject({ events: [{ sequence: 3 }], cursor: '5', caughtUp: true });
    });

    test('`after` starts with the next event, "0" being the beginning', async () => {
      const userId = await userWith(4);
      for (const after of [0, 2, 4]) {
        const reader = await follow({ userId, after: String(after) });
        const step = await reader.step();
        expect(sequences(step.events)).toEqual(range(after + 1, 4));
        expect(step).toMatchObject({ cursor: '4', caughtUp: true, reset: null });
      }
    });

    test('what is replayed and what comes live join without a gap or a repetition, while events are recorded', async () => {
      const userId = await userWith(50);
      let recording = true;
      const recorder = (async () => {
        for (let round = 0; recording; round += 1) await record(userId, 1 + (round % 7));
      })();
      for (let round = 0; round < 10; round += 1) {
        const starts = await Promise.all([
          follow({ userId, after: String(round * 5) }),
          follow({ userId, replayLast: pageSize }),
          follow({ userId }),
        ]);
        for (const reader of starts) {
          const first = await reader.step();
          const start = Number(first.events[0]?.cursor ?? Number(first.cursor) + 1);
          const target = Number(first.headCursor) + 30;
          const seen = sequences([...first.events, ...(await reader.eventsUpTo(target))]);
          expect(seen).toEqual(range(start, seen.at(-1) ?? 0));
          expect(seen.length).toBeGreaterThanOrEqual(30);
          await reader.close();
        }
      }
      recording = false;
      await recorder;
    });
  });

  describe('what each payload says', () => {
    test('`caughtUp` is true for the page that reaches the head and for no earlier one', async () => {
      const userId = await userWith(2 * pageSize + 5);
      const reader = await follow({ userId, after: '0' });
      const steps = await reader.until(({ caughtUp }) => caughtUp);
      expect(steps.map(({ events, cursor, headCursor }) => [events.length, cursor, headCursor])).toEqual([
        [20, '20', '45'],
        [20, '40', '45'],
        [5, '45', '45'],
      ]);
    });

    test('a filter that matches nothing is caught up only when it has seen the whole log', async () => {
      const userId = await userWith(2 * pageSize + 5);
      const reader = await follow({ userId, after: '0', filter: matchesNothing });
      const steps = await reader.until(({ caughtUp }) => caughtUp);
      expect(steps[0]).toMatchObject({ events: [], cursor: '20', caughtUp: false });
      expect(steps.at(-1)).toMatchObject({ events: [], cursor: '45', headCursor: '45' });
    });

    test('the cursor covers what the filter has left out behind the last event of a payload', async () => {
      const userId = await userWith(2, { provider: 'garmin' });
      await record(userId, 3, { provider: 'oura' });
      const reader = await follow({ userId, after: '0', filter: { providers: ['garmin'] } });
      const step = await reader.step();
      expect(sequences(step.events)).toEqual([1, 2]);
      expect(step.cursor).toBe('5');
    });

    test('each part of a filter narrows, the words of one part widen, and an empty list matches nothing', async () => {
      const userId = await server.user();
      await server.record(
        { userId, provider: 'garmin', source: 'WEBHOOK', runId: 'a' },
        { userId, provider: 'garmin', source: 'PULL', runId: 'b' },
        { userId, provider: 'oura', source: 'PULL', runId: 'a', stage: 'STARTED' },
        { userId, provider: 'polar', source: 'PULL', runId: 'c', stage: 'COMPLETED', status: 'SUCCESS' },
      );
      const cases: [filter: object, matching: number[]][] = [
        [{ providers: ['garmin', 'oura'] }, [1, 2, 3]],
        [{ providers: ['garmin', 'oura'], sources: ['PULL'] }, [2, 3]],
        [{ runId: 'a' }, [1, 3]],
        [{ runId: 'a', stages: ['STARTED'] }, [3]],
        [{ statuses: ['SUCCESS', 'PARTIAL'] }, [4]],
        [{ statuses: [] }, []],
        [{}, [1, 2, 3, 4]],
      ];
      for (const [filter, matching] of cases) {
        const reader = await follow({ userId, after: '0', filter });
        expect(sequences((await reader.step()).events), JSON.stringify(filter)).toEqual(matching);
      }
    });

    test('a checkpoint comes at every interval while nothing happens, and not more often', async () => {
      const userId = await userWith(1);
      const start = performance.now();
      const reader = await follow({ userId });
      const times: number[] = [];
      for (let step = 0; step < 5; step += 1) {
        expect(await reader.step()).toMatchObject({ events: [], cursor: '1', headCursor: '1', caughtUp: true });
        times.push(performance.now());
      }
      // However busy the machine is, the quickest of them shows how often they are meant to come.
      const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0));
      expect(Math.min(...pauses)).toBeLessThan(1.75 * checkpointMs);
      expect(performance.now() - start).toBeGreaterThan(4 * (checkpointMs - 1)); // a timer may fire a little early
    });

    test('a checkpoint comes after an event that has come between, as well', async () => {
      const userId = await userWith(1);
      const reader = await follow({ userId });
      await reader.step();
      await record(userId, 1); // the alarm for the next checkpoint is set by now, and rings too early
      expect(await reader.eventsUpTo(2)).toHaveLength(1);
      expect(await reader.step()).toMatchObject({ events: [], cursor: '2' });
    });

    test('checkpoints come with a moving cursor while a filter matches none of the events that are recorded', async () => {
      const userId = await userWith(1);
      const reader = await follow({ userId, filter: matchesNothing });
      const cursors: number[] = [];
      for (let round = 0; round < 4; round += 1) {
        await record(userId, 5);
        const steps = await reader.until(({ cursor }) => Number(cursor) >= 1 + 5 * (round + 1));
        expect(steps.flatMap(({ events }) => events)).toEqual([]);
        cursors.push(...steps.map(({ cursor }) => Number(cursor)));
      }
      expect(cursors.at(-1)).toBe(21);
      expect(cursors).toEqual([...cursors].sort((a, b) => a - b));
    });
  });

  describe('a cursor that cannot be honoured', () => {
    test('one past the head is reset with CURSOR_AHEAD to the head, and the stream goes on from there', async () => {
      const userId = await userWith(2);
      const reader = await follow({ userId, after: '99' });
      const reset = { reason: 'CURSOR_AHEAD', oldestCursor: '1', headCursor: '2' };
      expect(await reader.step()).toMatchObject({ events: [], cursor: '2', caughtUp: true, reset });
      await record(userId, 1);
      const steps = await reader.until(({ cursor }) => cursor === '3');
      expect(steps.map((step) => step.reset)).toEqual(steps.map(() => null));
      expect(sequences(steps.flatMap(({ events }) => events))).toEqual([3]);
    });

    test('one before the oldest event kept is reset with CURSOR_EXPIRED, and the stream goes on with the oldest', async () => {
      const userId = await userWith(8);
      await expireBefore(userId, 6);
      const reset = { reason: 'CURSOR_EXPIRED', oldestCursor: '6', headCursor: '8' };
      for (const after of ['0', '4']) {
        const reader = await follow({ userId, after });
        const step = await reader.step();
        expect(step).toMatchObject({ cursor: '8', reset });
        expect(sequences(step.events)).toEqual([6, 7, 8]);
        expect((await reader.step()).reset).toBeNull();
      }
    });

    test('the cursor of the last expired event is good, and so is `replayLast` into what is gone', async () => {
      const userId = await userWith(8);
      await expireBefore(userId, 6);
      for (const wish of [{ after: '5' }, { replayLast: 8 }]) {
        const step = await (await follow({ userId, ...wish })).step();
        expect(sequences(step.events)).toEqual([6, 7, 8]);
        expect(step.reset).toBeNull();
      }
    });

    test('a log whose events have all expired resets to its head', async () => {
      const userId = await userWith(3);
      await expireBefore(userId, 4);
      const reader = await follow({ userId, after: '1' });
      const reset = { reason: 'CURSOR_EXPIRED', oldestCursor: '4', headCursor: '3' };
      expect(await reader.step()).toMatchObject({ events: [], cursor: '3', caughtUp: true, reset });
      await record(userId, 1);
      expect(sequences(await reader.eventsUpTo(4))).toEqual([4]);
    });

    test('retention is noticed at once, though another reader has known the log since before', async () => {
      const userId = await userWith(8);
      const live = await follow({ userId });
      await live.step();
      await expireBefore(userId, 6);
      const step = await (await follow({ userId, after: '2' })).step();
      expect(step.reset).toEqual({ reason: 'CURSOR_EXPIRED', oldestCursor: '6', headCursor: '8' });
      expect(sequences(step.events)).toEqual([6, 7, 8]);
      await record(userId, 1);
      const steps = await live.until(({ cursor }) => cursor === '9');
      expect(sequences(steps.flatMap(({ events }) => events))).toEqual([9]);
      expect(steps.filter(({ reset }) => reset)).toEqual([]);
    });

    test('a reader that lags while retention removes what comes next is told so in mid-stream', async () => {
      // More than the buffers between the two ends hold, so that the server has to wait for its reader.
      const count = 300;
      const userId = await userWith(0);
      for (let left = count; left > 0; left -= 50)
        await record(userId, 50, { metadata: { filler: 'x'.repeat(60_000) } });
      const reader = await followLazily({ userId, after: '0' }, readLog.replace('message', 'message metadata'));
      const first = await reader.step();
      await expireBefore(userId, count - 10);
      const steps = [first, ...(await reader.until(({ cursor }) => cursor === String(count)))];
      const resets = steps.filter(({ reset }) => reset);
      expect(resets).toHaveLength(1);
      expect(resets[0]?.reset).toEqual({
        reason: 'CURSOR_EXPIRED',
        oldestCursor: String(count - 10),
        headCursor: String(count),
      });
      const broken = steps.indexOf(resets[0] ?? first);
      const before = sequences(steps.slice(0, broken).flatMap(({ events }) => events));
      const after = sequences(steps.slice(broken).flatMap(({ events }) => events));
      expect(before).toEqual(range(1, before.length));
      expect(before.length).toBeLessThan(count - 10);
      expect(after).toEqual(range(count - 10, count));
    });
  });

  describe('what is refused', () => {
    test('`after` beside `replayLast`', async () => {
      const userId = await server.user();
      expect(await refusal({ userId, after: '0', replayLast: 1 })).toMatchObject({
        extensions: { code: 'BAD_USER_INPUT', argumentPath: ['replayLast'] },
      });
    });

    test('`replayLast` outside of 1 to the page size', async () => {
      const userId = await userWith(1);
      for (const replayLast of [-1, 0, pageSize + 1])
        expect(await refusal({ userId, replayLast })).toMatchObject({ extensions: { code: 'BAD_USER_INPUT' } });
      for (const replayLast of [1, pageSize])
        expect(await (await follow({ userId, replayLast })).step()).toMatchObject({ events: [{ sequence: 1 }] });
    });

    test('what is no cursor', async () => {
      const userId = await server.user();
      for (const after of ['', 'abc', '-1', '1.5', '01', '2147483648', ' 1'])
        expect(await refusal({ userId, after }), after).toMatchObject({ extensions: { code: 'BAD_USER_INPUT' } });
      expect((await (await follow({ userId, after: '2147483647' })).step()).reset?.reason).toBe('CURSOR_AHEAD');
    });

    test('a filter with more than 50 words in a part, or with UNRECOGNIZED', async () => {
      const userId = await userWith(1);
      const words = (count: number) => [...Array.from({ length: count - 1 }, (_, index) => `p${index}`), 'oura'];
      const refused = [{ providers: words(51) }, { sources: ['UNRECOGNIZED'] }, { statuses: ['UNRECOGNIZED'] }];
      for (const filter of refused)
        expect(await refusal({ userId, filter })).toMatchObject({ extensions: { code: 'BAD_USER_INPUT' } });
      const reader = await follow({ userId, after: '0', filter: { providers: words(50) } });
      expect(sequences((await reader.step()).events)).toEqual([1]);
    });

    test('an unknown user and somebody else’s log look the same', async () => {
      const [own, foreign] = [await userWith(1), await userWith(1)];
      const token = await server.userToken(own);
      for (const [userId, headers] of [
        [randomUUID(), server.admin],
        [randomUUID(), token],
        [foreign, token],
      ] as const)
        expect(await refusal({ userId }, headers)).toMatchObject({
          message: `There is no user ${userId}`,
          extensions: { code: 'NOT_FOUND' },
        });
    });

    test('a client without a credential, or without the scope `read`', async () => {
      const userId = await userWith(1);
      expect(await refusal({ userId }, {})).toMatchObject({ extensions: { code: 'UNAUTHENTICATED' } });
      expect(await refusal({ userId: randomUUID() }, {})).toMatchObject({ extensions: { code: 'UNAUTHENTICATED' } });
      expect(await refusal({ userId }, await server.key('write'))).toMatchObject({ extensions: { code: 'FORBIDDEN' } });
    });
  });

  test('a user token opens the log of its user', async () => {
    const [userId, other] = [await userWith(2), await userWith(2)];
    const reader = await follow({ userId, after: '0' }, await server.userToken(userId));
    await server.record({ userId: other }, { userId });
    const events = await reader.eventsUpTo(3);
    expect(events.map((event) => [event.userId, event.sequence])).toEqual([1, 2, 3].map((each) => [userId, each]));
  });

  test('the deletion of the user ends the stream with `complete`, and a new log under the same id starts anew', async () => {
    const userId = await userWith(2);
    const [live, filtered] = [await follow({ userId, after: '0' }), await follow({ userId, filter: matchesNothing })];
    await Promise.all([live.step(), filtered.step()]);
    const { errors } = await server.graphql('mutation ($id: UUID!) { deleteUser(id: $id) { deletedUserId } }', {
      id: userId,
    });
    expect(errors).toEqual([]);
    for (const reader of [live, filtered])
      expect(await reader.end()).toMatchObject({ code: undefined, by: 'complete' });
    expect(await refusal({ userId })).toMatchObject({ extensions: { code: 'NOT_FOUND' } });

    await server.user({ id: userId });
    await record(userId, 1);
    const anew = await follow({ userId, after: '0' });
    expect(await anew.step()).toMatchObject({ events: [{ sequence: 1 }], cursor: '1', caughtUp: true });
  });
});
