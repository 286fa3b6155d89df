import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Draft, second } from '../support/recording.ts';
import { endsRun } from '../support/reference-log.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

async function runOf(userId: string) {
  const { data } = await server.graphql(
    `query ($id: UUID!) { user(id: $id) { syncRun(runId: "run_1") {
      provider source stage status message progress itemsProcessed itemsTotal error primaryUserId newestPrimaryUserId
      startedAt newestStartedAt endedAt lastEventAt durationMs eventCount isTerminal health reopened scope windowStart
      windowEnd openedAt traceId attempts failedAttempts batches failedBatches itemsInserted itemsUpdated itemsLate
    } } }`,
    { id: userId },
  );
  return data.user.syncRun;
}

describe('a run', () => {
  test('is made by its first event, which it copies', async () => {
    const userId = await server.user();
    const primaryUserId = randomUUID();
    const fields = {
      ...{ provider: 'garmin', source: 'LINKED_ACCOUNT', stage: 'STARTED', status: 'IN_PROGRESS', message: 'm' },
      ...{ progress: 0.5, itemsProcessed: 1, itemsTotal: 2, error: 'e', primaryUserId, startedAt: second(1) },
    };
    await server.record({ userId, ...fields, timestamp: second(9) });
    expect(await runOf(userId)).toMatchObject({
      ...{ ...fields, newestPrimaryUserId: primaryUserId },
      ...{ endedAt: null, lastEventAt: second(9), durationMs: null, eventCount: 1, isTerminal: false },
    });
  });

  test('copies its newest event whole; only its first start and its newest primary user stick', async () => {
    const userId = await server.user();
    const primaryUserId = randomUUID();
    const all = { message: 'm', progress: 1, itemsProcessed: 1, itemsTotal: 2, error: 'e' };
    await server.record({ userId, ...all, startedAt: second(1), primaryUserId, timestamp: second(4) });
    await server.record({ userId, stage: 'SAVING', timestamp: second(5) });
    expect(await runOf(userId)).toMatchObject({
      ...{ stage: 'SAVING', message: null, progress: null, itemsProcessed: null, itemsTotal: null, error: null },
      ...{ startedAt: second(1), primaryUserId, newestPrimaryUserId: null, lastEventAt: second(5), eventCount: 2 },
    });
    const another = randomUUID();
    await server.record({ userId, startedAt: second(2), primaryUserId: another });
    expect(await runOf(userId)).toMatchObject({
      ...{ startedAt: second(1), newestStartedAt: second(2), primaryUserId: another },
    });
  });

  test.each(['SUCCESS', 'PARTIAL', 'FAILED', 'CANCELLED', 'SKIPPED'])(
    'that finished with %s is not changed by what happened before; that is flagged, counted and kept in the log',
    async (status) => {
      const userId = await server.user();
      const ending = { stage: 'COMPLETED', status, message: 'the end', startedAt: second(1), endedAt: second(4) };
      await server.record({ userId, timestamp: second(1) }, { userId, ...ending, timestamp: second(4) });
      const finished = await runOf(userId);
      expect(finished).toMatchObject({ status, isTerminal: true, durationMs: 3000, eventCount: 2 });
      const late = await server.record(
        { userId, startedAt: second(9), primaryUserId: randomUUID(), message: 'still here', timestamp: second(3) },
        { userId, stage: 'FAILED', status: 'FAILED', endedAt: second(9), error: 'no', timestamp: second(3.999) },
      );
      expect(late.map(({ event }) => [event.late, event.sequence])).toEqual([
        [true, 3],
        [true, 4],
      ]);
      expect(await runOf(userId)).toEqual({ ...finished, eventCount: 4 });
      expect(await server.record({ userId, runId: 'run_2', timestamp: second(0) })).toMatchObject([
        { event: { late: false } },
      ]);
    },
  );

  test('goes on after its end: a newer start opens it again, a newer end takes the place of the end', async () => {
    const userId = await server.user();
    const at = (n: number) => ({ userId, timestamp: second(n) });
    const failed = { stage: 'FAILED', status: 'FAILED', error: 'no' };
    await server.record({ ...at(1), stage: 'STARTED' }, { ...at(2), ...failed, endedAt: second(2) });
    expect(await runOf(userId)).toMatchObject({ isTerminal: true, health: 'ENDED', reopened: false, attempts: 1 });
    await server.record({ ...at(2), stage: 'STARTED' });
    const again = { status: 'IN_PROGRESS', isTerminal: false, endedAt: null, error: null };
    expect(await runOf(userId)).toMatchObject({ ...again, reopened: true, attempts: 1, failedAttempts: 1 });
    await server.record({ ...at(3), stage: 'COMPLETED', status: 'SUCCESS', endedAt: second(3) });
    await server.record({ ...at(4), stage: 'COMPLETED', status: 'PARTIAL', endedAt: second(4) });
    const ended = { status: 'PARTIAL', isTerminal: true, health: 'ENDED', endedAt: second(4) };
    expect(await runOf(userId)).toMatchObject({ ...ended, reopened: true, attempts: 3, failedAttempts: 1 });
  });

  test('is not closed to what follows by one event of a clock that is years ahead', async () => {
    const userId = await server.user();
    await server.record({ userId, timestamp: new Date(Date.now() + 400 * 86_400_000).toISOString() });
    expect(await server.record({ userId, stage: 'SAVING' })).toMatchObject([{ event: { late: false } }]);
    expect(await runOf(userId)).toMatchObject({ stage: 'SAVING' });
  });

  test('is ordered by a clock that is hours ahead as by any other', async () => {
    const userId = await server.user();
    const ahead = (ms: number) => new Date(Date.now() + 14 * 3_600_000 + ms).toISOString();
    const [end, start] = await server.record(
      { userId, stage: 'COMPLETED', status: 'SUCCESS', timestamp: ahead(5000) },
      { userId, stage: 'STARTED', timestamp: ahead(0) },
    );
    expect([end?.event.late, start?.event.late]).toEqual([false, true]);
    expect(await runOf(userId)).toMatchObject({ status: 'SUCCESS' });
  });

  test('is told by late events that it began earlier', async () => {
    const userId = await server.user();
    await server.record({ userId, stage: 'COMPLETED', status: 'SUCCESS', endedAt: second(4), timestamp: second(4) });
    const late = { userId, stage: 'STARTED', timestamp: second(3) };
    await server.record({ ...late, startedAt: second(2) }, { ...late, startedAt: second(3) });
    expect(await runOf(userId)).toMatchObject({ status: 'SUCCESS', startedAt: second(2), openedAt: second(2) });
    await server.record({ ...late, startedAt: second(1) });
    expect(await runOf(userId)).toMatchObject({ startedAt: second(1), openedAt: second(1), durationMs: 3000 });
  });

  test('adds up what its ends have counted, and keeps apart what came too late', async () => {
    const userId = await server.user();
    const end = (n: number, inserted: unknown, updated?: unknown) => ({
      ...{ userId, stage: 'COMPLETED', status: 'SUCCESS', timestamp: second(n), metadata: { inserted, updated } },
    });
    await server.record(end(1, 100), end(3, 40, 5), end(2, 7, 1), end(3, 1), end(4, -5, 'x'), end(5, 1.5, null));
    await server.record({ userId, timestamp: second(6), metadata: { inserted: 1000 } }); // no end
    const expected = { itemsInserted: 141, itemsUpdated: 5, itemsLate: 8, attempts: 5 };
    expect(await runOf(userId)).toMatchObject(expected);
    await server.record(end(7, 2_147_483_647), end(8, 1e300, 1));
    expect(await runOf(userId)).toMatchObject({ itemsInserted: 2_147_483_647, itemsUpdated: 6 });
  });

  test('counts an event once, however often it is sent', async () => {
    const userId = await server.user();
    const end = { id: randomUUID(), userId, stage: 'COMPLETED', status: 'SUCCESS', timestamp: second(1) };
    const counting = { ...end, metadata: { inserted: 3, batch_id: 'b' } };
    await server.record(counting, counting);
    await server.record(counting);
    expect(await runOf(userId)).toMatchObject({ itemsInserted: 3, attempts: 1, batches: 1, eventCount: 1 });
  });

  test('counts its batches by their ids, and those that have failed until they succeed', async () => {
    const userId = await server.user();
    let at = 0;
    const told = async (stage: string, status: string, batch: unknown) => {
      await server.record({ userId, stage, status, timestamp: second(++at), metadata: { batch_id: batch } });
      const { batches, failedBatches } = await runOf(userId);
      return [batches, failedBatches];
    };
    expect(await told('STARTED', 'IN_PROGRESS', 'a')).toEqual([1, 0]);
    expect(await told('FAILED', 'FAILED', 'a')).toEqual([1, 1]);
    expect(await told('COMPLETED', 'SUCCESS', 'b')).toEqual([2, 1]);
    expect(await told('STARTED', 'IN_PROGRESS', 'a')).toEqual([2, 1]);
    expect(await told('FETCHING', 'IN_PROGRESS', 'c')).toEqual([2, 1]); // neither start nor end
    for (const no of ['', null, ['x'], 'x'.repeat(201)])
      expect(await told('STARTED', 'IN_PROGRESS', no)).toEqual([2, 1]);
    expect(await told('COMPLETED', 'PARTIAL', 'a')).toEqual([2, 0]);
    expect(await told('FAILED', 'FAILED', 7)).toEqual([3, 1]);
    at = 0;
    expect(await told('COMPLETED', 'SUCCESS', 'late')).toEqual([4, 1]);
  });

  test('ends with an end that is newer than all starts and ends, whatever progress was dated after it', async () => {
    const userId = await server.user();
    const at = (n: number) => ({ userId, timestamp: second(n) });
    await server.record({ ...at(1), stage: 'STARTED' }, { ...at(9), stage: 'FETCHING' });
    const end = { stage: 'COMPLETED', status: 'SUCCESS', metadata: { inserted: 7 } };
    expect(await server.record({ ...at(5), ...end })).toMatchObject([{ event: { late: false } }]);
    const ended = { status: 'SUCCESS', isTerminal: true, lastEventAt: second(9), attempts: 1, itemsInserted: 7 };
    expect(await runOf(userId)).toMatchObject(ended);
    const late = await server.record(
      { ...at(8), stage: 'SAVING' },
      { ...at(4), ...end },
      { ...at(8), stage: 'STARTED' },
    );
    expect(late.map(({ event }) => event.late)).toEqual([true, true, true]);
    expect(await runOf(userId)).toMatchObject({ ...ended, eventCount: 6 });
  });

  test('keeps a batch in sight that has failed beside a newer one that succeeded', async () => {
    const userId = await server.user();
    const told = (at: number, batch: string, stage: string, status = 'IN_PROGRESS') => ({
      ...{ userId, stage, status, timestamp: second(at), metadata: { batch_id: batch } },
    });
    await server.record(told(0, 'a', 'STARTED'), told(2, 'b', 'STARTED'), told(50, 'b', 'COMPLETED', 'SUCCESS'));
    await server.record(told(49, 'a', 'FAILED', 'FAILED'));
    expect(await runOf(userId)).toMatchObject({ status: 'SUCCESS', batches: 2, failedBatches: 1, attempts: 1 });
    await server.record(told(48, 'a', 'COMPLETED', 'SUCCESS')); // older than its failure
    expect(await runOf(userId)).toMatchObject({ failedBatches: 1 });
    await server.record(told(60, 'a', 'COMPLETED', 'SUCCESS'));
    expect(await runOf(userId)).toMatchObject({ batches: 2, failedBatches: 0, attempts: 2 });
  });

  test('is made of thousands of batches as of one', async () => {
    const userId = await server.user();
    const batches = Array.from({ length: 1001 }, (_, n) => ({
      ...{ userId, timestamp: second(n), metadata: { batch_id: `b${n % 1000}`, inserted: 1 } },
      ...(n % 2 ? { stage: 'FAILED', status: 'FAILED' } : { stage: 'COMPLETED', status: 'SUCCESS' }),
    }));
    for (let from = 0; from < batches.length; from += 143) await server.record(...batches.slice(from, from + 143));
    const expected = { batches: 1000, failedBatches: 500, attempts: 1001, failedAttempts: 500, itemsInserted: 1001 };
    expect(await runOf(userId)).toMatchObject(expected);
  });

  test('is about what its first start or end says; reports of progress have no say in it', async () => {
    const userId = await server.user();
    const at = (n: number) => ({ userId, timestamp: second(n) });
    const span = { windowStart: second(-9), windowEnd: second(-1) };
    await server.record({ ...at(1), stage: 'FETCHING', scope: 'LIVE', windowStart: second(-99) });
    expect(await runOf(userId)).toMatchObject({ scope: null, windowStart: null, openedAt: null });
    await server.record({ ...at(2), stage: 'STARTED', scope: 'HISTORICAL', metadata: { trace_id: '4be07c19' } });
    const told = { scope: 'HISTORICAL', traceId: '4be07c19', openedAt: second(2), windowStart: null };
    expect(await runOf(userId)).toMatchObject(told);
    await server.record({ ...at(3), stage: 'COMPLETED', status: 'SUCCESS', scope: 'LIVE', ...span });
    await server.record({ ...at(4), stage: 'COMPLETED', status: 'SUCCESS', windowEnd: second(5) });
    expect(await runOf(userId)).toMatchObject({ ...told, ...span });
  });

  test('is LIVE where its first start or end names no scope', async () => {
    const userId = await server.user();
    await server.record({ userId, stage: 'STARTED' }, { userId, stage: 'STARTED', scope: 'HISTORICAL' });
    expect(await runOf(userId)).toMatchObject({ scope: 'LIVE' });
  });

  test.each(['IN_PROGRESS', 'UNFINISHED', 'STALE'])('that stands at %s goes on with its next event', async (status) => {
    const userId = await server.user();
    await server.record({ userId, status });
    expect(await runOf(userId)).toMatchObject({ status, isTerminal: false });
    expect(await server.record({ userId, stage: 'SAVING' })).toMatchObject([{ event: { late: false } }]);
    expect(await runOf(userId)).toMatchObject({ status: 'IN_PROGRESS', stage: 'SAVING', eventCount: 2 });
  });

  test('of one user has nothing to do with a run of the same name of another', async () => {
    const [userId, other] = [await server.user(), await server.user()];
    await server.record({ userId, status: 'SUCCESS' }, { userId: other });
    expect(await server.record({ userId: other })).toMatchObject([{ event: { late: false } }]);
    expect(await runOf(other)).toMatchObject({ status: 'IN_PROGRESS', eventCount: 2 });
  });

  test('adds up to the same however its events were split into recordings', async () => {
    const time = fc.integer({ min: 0, max: 9 }).map(second);
    const step = fc.record({
      status: fc.constantFrom('IN_PROGRESS', 'IN_PROGRESS', 'IN_PROGRESS', 'STALE', 'SUCCESS'),
      stage: fc.constantFrom('STARTED', 'FETCHING', 'COMPLETED'),
      timestamp: time,
      startedAt: fc.option(time),
      primaryUserId: fc.option(fc.constantFrom(randomUUID(), randomUUID())),
      progress: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
      newRecording: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const userId = await server.user();
        const recordings: Draft[][] = [[]];
        for (const { newRecording, ...event } of steps) {
          if (newRecording && recordings.at(-1)?.length) recordings.push([]);
          recordings.at(-1)?.push({ userId, ...event });
        }
        const late: boolean[] = [];
        for (const events of recordings) late.push(...(await server.record(...events)).map(({ event }) => event.late));

        let newestAt = '';
        let milestoneAt = '';
        const counted = steps.filter((step) => {
          const counts = step.timestamp >= newestAt || (endsRun(step) && step.timestamp >= milestoneAt);
          if (counts && step.timestamp > newestAt) newestAt = step.timestamp;
          if ((step.stage === 'STARTED' || endsRun(step)) && step.timestamp > milestoneAt) milestoneAt = step.timestamp;
          return counts;
        });
        const newest = counted.at(-1);
        const newestKnown = counted.map((each) => each.primaryUserId).findLast((value) => value !== null) ?? null;
        const startedAt = steps.reduce<string | null>((known, step) => {
          if (known === null || step.startedAt === null) return known ?? step.startedAt;
          return !counted.includes(step) && step.startedAt < known ? step.startedAt : known;
        }, null);
        expect(late).toEqual(steps.map((step) => !counted.includes(step)));
        expect(await runOf(userId)).toMatchObject({
          ...{ status: newest?.status, stage: newest?.stage, lastEventAt: newestAt },
          ...{ startedAt, primaryUserId: newestKnown, newestPrimaryUserId: newest?.primaryUserId },
          ...{ progress: newest?.progress === 0 ? 0 : newest?.progress, eventCount: steps.length },
        });
      }),
      { numRuns: 40 },
    );
  });
});
