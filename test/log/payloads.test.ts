import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { anEvent, startServer, type TestServer } from '../support/server.ts';
import { streamTransports } from '../support/streams.ts';

let server: TestServer;
/** Why users cannot be read, if they cannot. */
let failure: Error | undefined;
let failures = 0;

beforeAll(async () => {
  server = await startServer({
    limits: { databaseRetryMs: 20 },
    onStatement({ sql }) {
      if (!failure || !/\bemail\b/.test(sql)) return;
      failures += 1;
      throw failure;
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

  /** Users cannot be read from now on, at most until the test is over. */
  function failUsers(error: Error): void {
    failure = error;
    failures = 0;
    onTestFinished(() => {
      failure = undefined;
    });
  }

  const draftFor = (userId: string) => ({
    ...anEvent,
    userId,
    source: 'pull',
    stage: 'fetching',
    status: 'in_progress',
  });

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
    failUsers(new Error('nobody expects this'));
    await server.app.services.log.record([draftFor(userId)]);
    expect((await stream.next())?.errors).toMatchObject([
      { extensions: { code: 'INTERNAL_SERVER_ERROR', cursor: '1' } },
    ]);
    failure = undefined;
    const again = await open(query, { userId, after: '1' });
    expect((await again.next())?.data?.syncEvents).toEqual({ events: [event(2)], cursor: '2' });
  });

  test.each([
    ['of a log', 'syncEvents(userId: $userId) { events { sequence user { email } } }', { events: [{ sequence: 1 }] }],
    // There GraphQL would put null in the place of what could not be read, and show the rest.
    ['of runs', 'syncRunChanges(filter: { userId: $userId }) { began run { runId user { email } } }', { run: {} }],
  ])('%s waits for a database that goes away before it is whole', async (_, field, shown) => {
    const userId = await server.user({ email: 'whole@example.com' });
    const stream = await open(`subscription ($userId: UUID!) { ${field} }`, { userId });
    await stream.next();
    failUsers(new Error('Connection terminated unexpectedly'));
    const next = stream.next();
    next.catch(() => {});
    await server.app.services.log.record([draftFor(userId)]);
    await expect.poll(() => failures).toBeGreaterThan(1);
    failure = undefined;
    const result = await next;
    expect(result?.errors).toBeUndefined();
    expect(Object.values(result?.data ?? {})).toMatchObject([shown]);
    expect(JSON.stringify(result?.data)).toContain('whole@example.com');
  });
});
