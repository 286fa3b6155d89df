import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startServer, type TestServer } from '../support/server.ts';
import { clients } from './clients.ts';

const read = `query Read($id: UUID!) {
  user(id: $id) { id headCursor syncRuns(first: 2) { edges { cursor node { runId status } } pageInfo { hasNextPage } } }
}`;
const recordOne = `mutation Record($input: RecordSyncEventsInput!) {
  recordSyncEvents(input: $input) { results { duplicate event { id sequence } } }
}`;
const follow = `subscription Follow($userId: UUID!, $after: SyncCursor) {
  syncEvents(userId: $userId, after: $after) { cursor caughtUp events { id sequence } }
}`;

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

describe.each(Object.entries(clients))('%s', (_, createClient) => {
  async function start() {
    const client = createClient(server.url, server.admin);
    onTestFinished(() => client.close());
    const userId = await server.user();
    return { client, userId };
  }

  test('reads a user with what is below it, and records', async () => {
    const { client, userId } = await start();
    const event = {
      userId,
      runId: 'run_1',
      provider: 'oura',
      source: 'PULL',
      stage: 'FETCHING',
      status: 'IN_PROGRESS',
    };
    const recorded = await client.run(recordOne, { input: { events: [event] } });
    expect(recorded).toMatchObject({ codes: [], data: { recordSyncEvents: { results: [{ duplicate: false }] } } });
    expect(await client.run(read, { id: userId })).toMatchObject({
      codes: [],
      data: {
        user: {
          id: userId,
          headCursor: '1',
          syncRuns: { edges: [{ node: { runId: 'run_1', status: 'IN_PROGRESS' } }], pageInfo: { hasNextPage: false } },
        },
      },
    });
  });

  test('hears of a mistake by its code', async () => {
    const { client, userId } = await start();
    const events = [{ userId, runId: '', provider: 'oura', source: 'PULL', stage: 'FETCHING', status: 'IN_PROGRESS' }];
    expect((await client.run(recordOne, { input: { events } })).codes).toEqual(['BAD_USER_INPUT']);
  });

  test('follows a log from a cursor: what is there, then what comes, each once', async () => {
    const { client, userId } = await start();
    await server.record(...Array.from({ length: 3 }, () => ({ userId })));
    const seen: number[] = [];
    const stop = client.follow(follow, { userId, after: '1' }, ({ syncEvents }) =>
      seen.push(...syncEvents.events.map(({ sequence }: { sequence: number }) => sequence)),
    );
    onTestFinished(stop);
    await expect.poll(() => seen).toEqual([2, 3]);
    await server.record({ userId });
    await server.record({ userId });
    await expect.poll(() => seen).toEqual([2, 3, 4, 5]);
    stop();
    await expect.poll(() => server.app.services.log.followedLogs).toBe(0);
  });
});
