import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rest } from '../support/rest-client.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { readFrames } from '../support/streams.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

/** A user with so many runs of one event each; every third one is of another provider. */
async function userWith(count: number): Promise<string> {
  const userId = await server.user();
  const events = Array.from({ length: count }, (_, index) => ({
    ...{ userId, runId: `run_${index + 1}`, provider: index % 3 === 2 ? 'garmin' : 'oura' },
  }));
  await server.record(...events);
  return userId;
}

const get = (path: string) => rest(`${server.url}/api/v1${path}`, { headers: server.admin });

test('whoever names no number gets 50 events, 20 runs of a user, 50 runs of all, and a replay of 20', async () => {
  const userId = await userWith(60);
  expect((await get(`/users/${userId}/sync/recent`)).body).toHaveLength(50);
  expect((await get(`/users/${userId}/sync/runs`)).body).toHaveLength(20);
  expect((await get('/sync/runs')).body).toHaveLength(50);
  const leaving = new AbortController();
  const { body } = await fetch(`${server.url}/api/v1/users/${userId}/sync/stream`, {
    headers: { ...server.admin },
    signal: leaving.signal,
  });
  const frames = readFrames(body as ReadableStream<Uint8Array>);
  expect((await frames.next()).value?.id).toBe('41');
  leaving.abort();
  await frames.return(undefined).catch(() => {});
});

describe('the cursor of a list of events', () => {
  /** Reads on with the cursor of each answer until one shows nothing. */
  async function pages(userId: string, query: string) {
    const all: { events: string[]; cursor: unknown }[] = [];
    for (let after: unknown = '0'; ; after = all.at(-1)?.cursor) {
      const { body, headers } = await get(`/users/${userId}/sync/recent?after=${after}&${query}`);
      all.push({ events: body.map((event: { run_id: string }) => event.run_id), cursor: headers['synclog-cursor'] });
      if (body.length === 0) return all;
    }
  }

  test('stands behind the last event that was shown, and at the head when there are no more', async () => {
    const userId = await userWith(5);
    expect(await pages(userId, 'limit=2')).toEqual([
      { events: ['run_2', 'run_1'], cursor: '2' },
      { events: ['run_4', 'run_3'], cursor: '4' },
      { events: ['run_5'], cursor: '5' },
      { events: [], cursor: '5' },
    ]);
  });

  test('stands at the head when nothing else matches, and before what matches still', async () => {
    const userId = await userWith(8);
    expect(await pages(userId, 'limit=1&provider=garmin')).toEqual([
      { events: ['run_3'], cursor: '3' },
      { events: ['run_6'], cursor: '8' },
      { events: [], cursor: '8' },
    ]);
    expect((await get(`/users/${userId}/sync/recent?limit=2`)).headers['synclog-cursor']).toBe('8');
  });
});
