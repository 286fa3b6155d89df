import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Draft, second } from '../support/recording.ts';
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
      startedAt endedAt lastEventAt durationMs eventCount isTerminal
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
    expect(await runOf(userId)).toEqual({
      ...{ ...fields, newestPrimaryUserId: primaryUserId },
      ...{ endedAt: null, lastEventAt: second(9), durationMs: null, eventCount: 1, isTerminal: false },
    });
  });

  test('copies its newest event whole; only its start and primary user stick', async () => {
    const userId = await server.user();
    const primaryUserId = randomUUID();
    const all = { message: 'm', progress: 1, itemsProcessed: 1, itemsTotal: 2, error: 'e' };
    await server.record({ userId, ...all, startedAt: second(1), primaryUserId, timestamp: second(5) });
    await server.record({ userId, stage: 'SAVING', timestamp: second(4) });
    expect(await runOf(userId)).toMatchObject({
      ...{ stage: 'SAVING', message: null, progress: null, itemsProcessed: null, itemsTotal: null, error: null },
      ...{ startedAt: second(1), primaryUserId, newestPrimaryUserId: null, lastEventAt: second(4), eventCount: 2 },
    });
    const another = randomUUID();
    await server.record({ userId, startedAt: second(2), primaryUserId: another });
    expect(await runOf(userId)).toMatchObject({ startedAt: second(2), primaryUserId: another });
  });

  test.each(['SUCCESS', 'PARTIAL', 'FAILED', 'CANCELLED', 'SKIPPED'])(
    'that finished with %s is never reopened; what comes late is flagged, counted and kept in the log',
    async (status) => {
      const userId = await server.user();
      const ending = { stage: 'COMPLETED', status, message: 'the end', startedAt: second(1), endedAt: second(4) };
      await server.record({ userId }, { userId, ...ending, timestamp: second(4) });
      const finished = await runOf(userId);
      expect(finished).toMatchObject({ status, isTerminal: true, durationMs: 3000, eventCount: 2 });
      const late = await server.record(
        { userId, startedAt: second(9), primaryUserId: randomUUID(), message: 'still here' },
        { userId, stage: 'FAILED', status: 'FAILED', endedAt: second(9), error: 'no' },
      );
      expect(late.map(({ event }) => [event.late, event.sequence])).toEqual([
        [true, 3],
        [true, 4],
      ]);
      expect(await runOf(userId)).toEqual({ ...finished, eventCount: 4 });
      expect(await server.record({ userId, runId: 'run_2' })).toMatchObject([{ event: { late: false } }]);
    },
  );

  test('that finished before anybody told when it began is told by the first late event that does', async () => {
    const userId = await server.user();
    await server.record({ userId, stage: 'COMPLETED', status: 'SUCCESS', endedAt: second(4) });
    await server.record({ userId, stage: 'STARTED', startedAt: second(1) }, { userId, startedAt: second(2) });
    expect(await runOf(userId)).toMatchObject({ status: 'SUCCESS', startedAt: second(1), durationMs: 3000 });
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

        const end = steps.findIndex(({ status, stage }) => status === 'SUCCESS' || stage === 'COMPLETED');
        const counted = end < 0 ? steps : steps.slice(0, end + 1);
        const newest = counted.at(-1);
        const lastKnown = <K extends 'startedAt' | 'primaryUserId'>(field: K) =>
          counted.map((each) => each[field]).findLast((value) => value !== null) ?? null;
        const toldLate = steps.slice(counted.length).find(({ startedAt }) => startedAt !== null);
        expect(late).toEqual(steps.map((_, n) => end >= 0 && n > end));
        expect(await runOf(userId)).toMatchObject({
          ...{ status: newest?.status, stage: newest?.stage, lastEventAt: newest?.timestamp },
          startedAt: lastKnown('startedAt') ?? toldLate?.startedAt ?? null,
          ...{ primaryUserId: lastKnown('primaryUserId') },
          newestPrimaryUserId: newest?.primaryUserId,
          ...{ progress: newest?.progress === 0 ? 0 : newest?.progress, eventCount: steps.length },
        });
      }),
      { numRuns: 40 },
    );
  });
});
