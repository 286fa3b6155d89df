import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startServer, type TestServer } from '../support/server.ts';
import { streamTransports } from '../support/streams.ts';

let server: TestServer;
/** Set while users cannot be read, for a reason that nobody expects. */
let isBroken = false;

beforeAll(async () => {
  server = await startServer({
    onStatement({ sql }) {
      if (isBroken && /\bemail\b/.test(sql)) throw new Error('nobody expects this');
    },
  });
});
afterAll(() => server.close());

describe.each(Object.entries(streamTransports))('each payload over %s', (_, openStream) => {
  async function open(query: string, variables: Record<string, unknown>) {
    const stream = await openStream(server.url, { query, variables, headers: server.admin });
    onTestFinished(() => stream.close());
    return stream;
  }

  const setEmail = (id: string, email: string) =>
    server.graphql('mutation ($input: UpsertUserInput!) { upsertUser(input: $input) { id } }', {
      input: { id, email },
    });

  test('of a log shows its user and its runs as they are when it is made', async () => {
    const userId = await server.user({ email: 'first@example.com' });
    const query = `subscription ($userId: UUID!) { syncEvents(userId: $userId) {
      events { sequence user { email } run { eventCount status user { email } } } } }`;
    const stream = await open(query, { userId });
    await stream.next();
    for (const [count, email, status] of [
      [1, 'first@example.com', 'IN_PROGRESS'],
      [2, 'second@example.com', 'PARTIAL'],
      [3, 'third@example.com', 'PARTIAL'],
    ] as const) {
      await setEmail(userId, email);
      await server.record({ userId, status });
      const user = { email };
      expect((await stream.next())?.data?.syncEvents.events).toEqual([
        { sequence: count, user, run: { eventCount: count, status, user } },
      ]);
    }
  });

  test('of runs shows the user and the events as they are when it is made', async () => {
    const userId = await server.user({ email: 'first@example.com' });
    const query = `subscription ($userId: UUID!) { syncRunChanges(filter: { userId: $userId }) {
      began run { eventCount user { email headCursor } events(last: 1) { edges { node { sequence } } } } } }`;
    const stream = await open(query, { userId });
    expect((await stream.next())?.data?.syncRunChanges.began).toBe(true);
    for (const [count, email] of [
      [1, 'first@example.com'],
      [2, 'second@example.com'],
    ] as const) {
      await setEmail(userId, email);
      await server.record({ userId });
      expect((await stream.next())?.data?.syncRunChanges.run).toEqual({
        eventCount: count,
        user: { email, headCursor: String(count) },
        events: { edges: [{ node: { sequence: count } }] },
      });
    }
  });

  test('comes whole, or ends the stream with the cursor before it', async () => {
    const userId = await server.user({ email: 'whole@example.com' });
    const query = `subscription ($userId: UUID!, $after: SyncCursor) { syncEvents(userId: $userId, after: $after) {
      events { sequence user { email } } cursor } }`;
    const stream = await open(query, { userId });
    await stream.next();
    const event = (sequence: number) => ({ sequence, user: { email: 'whole@example.com' } });
    await server.record({ userId });
    expect((await stream.next())?.data?.syncEvents).toEqual({ events: [event(1)], cursor: '1' });
    isBroken = true;
    onTestFinished(() => {
      isBroken = false;
    });
    const draft = { userId, runId: 'r', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };
    await server.app.services.log.record([draft]);
    expect((await stream.next())?.errors).toMatchObject([
      { extensions: { code: 'INTERNAL_SERVER_ERROR', cursor: '1' } },
    ]);
    isBroken = false;
    const again = await open(query, { userId, after: '1' });
    expect((await again.next())?.data?.syncEvents).toEqual({ events: [event(2)], cursor: '2' });
  });
});
