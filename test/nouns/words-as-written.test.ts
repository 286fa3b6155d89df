import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

interface Words {
  readonly source: string;
  readonly stage: string;
  readonly status: string;
}

/** Records an event as a source does, which passes on whatever words its producer writes. */
async function hear(userId: string, words: Partial<Words>, special: object = {}): Promise<void> {
  const usual = { runId: 'r', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };
  await server.app.services.log.record([{ id: randomUUID(), userId, ...usual, ...words, ...special }]);
}

const raws = 'source stage status sourceRaw stageRaw statusRaw';

async function userWith(fields: string, userId: string) {
  const { data, errors } = await server.graphql(`query ($id: UUID!) { user(id: $id) { ${fields} } }`, { id: userId });
  expect(errors).toEqual([]);
  return data.user;
}

const runOf = async (userId: string) =>
  (await userWith(`syncRun(runId: "r") { ${raws} isTerminal health }`, userId)).syncRun;

describe('the words that a producer writes', () => {
  test('are kept as they are, in events and in runs, and mean what they mean in lower case', async () => {
    const userId = await server.user();
    await hear(userId, { source: 'Pull', stage: 'COMPLETED', status: 'Success' });
    const shown = {
      ...{ source: 'PULL', stage: 'COMPLETED', status: 'SUCCESS' },
      ...{ sourceRaw: 'Pull', stageRaw: 'COMPLETED', statusRaw: 'Success' },
    };
    expect((await userWith(`recentSyncEvents { ${raws} }`, userId)).recentSyncEvents).toEqual([shown]);
    expect(await runOf(userId)).toEqual({ ...shown, isTerminal: true, health: 'ENDED' });
    const rest = await fetch(`${server.url}/api/v1/users/${userId}/sync/runs`, { headers: { ...server.admin } });
    expect(await rest.json()).toMatchObject([{ source: 'Pull', stage: 'COMPLETED', status: 'Success' }]);
  });

  test('are kept as they are where they are new ones', async () => {
    const userId = await server.user();
    await hear(userId, { source: 'Ring', stage: 'Resting', status: 'Asleep' });
    const shown = {
      ...{ source: 'UNRECOGNIZED', stage: 'UNRECOGNIZED', status: 'UNRECOGNIZED' },
      ...{ sourceRaw: 'Ring', stageRaw: 'Resting', statusRaw: 'Asleep' },
    };
    expect((await userWith(`recentSyncEvents { ${raws} }`, userId)).recentSyncEvents).toEqual([shown]);
    expect(await runOf(userId)).toEqual({ ...shown, isTerminal: false, health: 'ACTIVE' });
  });
});

describe('a run ends', () => {
  test.each<[what: string, words: Partial<Words>]>([
    ['with a known status in upper case', { stage: 'saving', status: 'SUCCESS' }],
    ['with a known status in mixed case', { stage: 'new', status: 'Skipped' }],
    ['by the stage completed, whatever the status says', { stage: 'completed', status: 'in_progress' }],
    ['by the stage completed, with a new status', { stage: 'completed', status: 'done' }],
    ['by the stage failed, with a new status', { stage: 'FAILED', status: 'rate_limited' }],
    ['by the stage cancelled, with a new status', { stage: 'Cancelled', status: 'by_user' }],
    ['by the stage completed, with a status of silence', { stage: 'completed', status: 'stale' }],
  ])('%s', async (_, words) => {
    const userId = await server.user();
    await hear(userId, { stage: 'started' });
    await hear(userId, words);
    expect(await runOf(userId)).toMatchObject({ isTerminal: true, health: 'ENDED' });
    expect((await userWith('connections { currentRun { runId } }', userId)).connections).toEqual([
      { currentRun: null },
    ]);
  });

  test('with no other words', async () => {
    const userId = await server.user();
    for (const words of [{ stage: 'saving', status: 'done' }, { stage: 'complete' }, { status: 'STALE' }]) {
      await hear(userId, words);
      expect(await runOf(userId)).toMatchObject({ isTerminal: false });
    }
    expect(await runOf(userId)).toMatchObject({ health: 'STALLED', status: 'STALE' });
  });
});

describe('filters find words in any case', () => {
  const events = 'recentSyncEvents(filter: $filter) { sequence }';
  const sequences = async (userId: string, filter: object) => {
    const { data, errors } = await server.graphql(
      `query ($id: UUID!, $filter: SyncEventFilter) { user(id: $id) { ${events} } }`,
      { id: userId, filter },
    );
    expect(errors).toEqual([]);
    return data.user.recentSyncEvents.map(({ sequence }: { sequence: number }) => sequence);
  };
  const runs = async (filter: object) => {
    const { data, errors } = await server.graphql(
      'query ($filter: SyncRunFilter) { syncRuns(filter: $filter) { edges { node { runId } } } }',
      { filter },
    );
    expect(errors).toEqual([]);
    return data.syncRuns.edges.map(({ node }: { node: { runId: string } }) => node.runId);
  };

  test('of events', async () => {
    const userId = await server.user();
    await hear(userId, { source: 'WEBHOOK' });
    await hear(userId, { status: 'SUCCESS', stage: 'Completed' });
    expect(await sequences(userId, { sources: ['WEBHOOK'] })).toEqual([1]);
    expect(await sequences(userId, { stages: ['COMPLETED'], statuses: ['SUCCESS'] })).toEqual([2]);
    expect(await sequences(userId, { statuses: ['FAILED'] })).toEqual([]);
    expect(await sequences(userId, { providers: ['OURA'] })).toEqual([]);
  });

  test('of events that are followed, and providers as they are written', async () => {
    const userId = await server.user();
    await hear(userId, { source: 'WEBHOOK' });
    await hear(userId, { status: 'SUCCESS', stage: 'Completed' }, { provider: 'Oura' });
    const { log } = server.app.services;
    const followed = async (filter: object) => {
      const follower = log.follow({ userId, after: 0, filter }, new AbortController().signal);
      const { value } = await follower.next();
      await follower.return();
      return value?.events.map(({ sequence }) => sequence);
    };
    expect(await followed({ sources: ['webhook'] })).toEqual([1]);
    expect(await followed({ stages: ['completed'], statuses: ['success'] })).toEqual([2]);
    expect(await followed({ providers: ['oura'] })).toEqual([1]);
    expect(await followed({ providers: ['Oura'] })).toEqual([2]);
  });

  test('of runs, of one user and of all, also where the stage has ended them', async () => {
    const userId = await server.user();
    const provider = `p-${userId.slice(0, 8)}`;
    const ended = { stage: 'completed', status: 'IN_PROGRESS', source: 'SDK' };
    await hear(userId, ended, { runId: 'ended', provider });
    await hear(userId, { status: 'SUCCESS', source: 'Sdk' }, { runId: 'success', provider });
    await hear(userId, { status: 'In_Progress', source: 'sdk' }, { runId: 'open', provider });
    for (const scope of [{ userId }, {}]) {
      const of = (filter: object) => runs({ ...scope, providers: [provider], ...filter }).then((ids) => ids.sort());
      expect(await of({ sources: ['SDK'] })).toEqual(['ended', 'open', 'success']);
      expect(await of({ statuses: ['SUCCESS'] })).toEqual(['success']);
      expect(await of({ statuses: ['IN_PROGRESS'] })).toEqual(['ended', 'open']);
      expect(await of({ statuses: ['IN_PROGRESS'], health: ['ENDED'] })).toEqual(['ended']);
      expect(await of({ statuses: ['IN_PROGRESS'], health: ['ACTIVE', 'QUIET', 'STALLED'] })).toEqual(['open']);
      expect(await of({ health: ['ENDED'] })).toEqual(['ended', 'success']);
      expect(await of({ statuses: [] })).toEqual([]);
    }
  });
});

test('a failure in a new word counts as one for its connection, and a success in upper case', async () => {
  const userId = await server.user();
  const connection = async () =>
    (await userWith('connections { consecutiveFailures lastSuccessAt }', userId)).connections[0];
  await hear(userId, { stage: 'failed', status: 'rate_limited' });
  expect(await connection()).toEqual({ consecutiveFailures: 1, lastSuccessAt: null });
  await hear(userId, { stage: 'completed', status: 'SUCCESS' }, { runId: 'r2' });
  expect(await connection()).toEqual({ consecutiveFailures: 0, lastSuccessAt: expect.any(String) });
});

describe('a success brought data', () => {
  const lastDataAfter = async (special: object) => {
    const userId = await server.user();
    await hear(userId, { stage: 'completed', status: 'success' }, special);
    return (await userWith('connections { lastDataAt }', userId)).connections[0].lastDataAt;
  };

  test.each<[what: string, event: object]>([
    ['in the count of items', { itemsProcessed: 1 }],
    ['in inserted', { itemsProcessed: 0, metadata: { inserted: 5 } }],
    ['in inserted, without a count of items', { metadata: { inserted: 5 } }],
    ['in updated', { itemsProcessed: 0, metadata: { inserted: 0, updated: 1 } }],
    ['in records of the SDK', { itemsProcessed: 0, metadata: { records_saved: 3 } }],
    ['in workouts of the SDK', { itemsProcessed: 0, metadata: { records_saved: 0, workouts_saved: 1 } }],
    ['in sleep of the SDK', { metadata: { sleep_saved: 1 } }],
    ['in meals of the SDK', { metadata: { meals_saved: 1 } }],
    ['in the workouts of a pull', { itemsProcessed: 0, metadata: { params: { workouts: { success: 2 } } } }],
    ['in a counter of a pull', { itemsProcessed: 0, metadata: { params: { data_247: { sleep: 1, hrv: 0 } } } }],
  ])('%s', async (_, event) => {
    expect(await lastDataAfter(event)).toEqual(expect.any(String));
  });

  test.each<[what: string, event: object]>([
    ['of no count', { metadata: {} }],
    ['of zeros', { itemsProcessed: 0, metadata: { inserted: 0, updated: 0, params: { data_247: { sleep: 0 } } } }],
    ['of what was received', { itemsProcessed: 0, metadata: { items: 4, dropped_count: 2, samples_expected: 9 } }],
    ['of what is no count', { metadata: { inserted: '5', updated: true, params: { workouts: { success: true } } } }],
    ['of what is no part', { metadata: { params: [1], records_saved: null } }],
  ])('not %s', async (_, event) => {
    expect(await lastDataAfter(event)).toBeNull();
  });
});
