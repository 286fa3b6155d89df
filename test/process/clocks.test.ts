import { expect, onTestFinished, test } from 'vitest';
import { clockApart } from '../support/clock-apart.ts';
import { provider } from '../support/database.ts';
import { anEvent } from '../support/server.ts';
import { graphql, newUser, type ServerProcess, startProcess } from '../support/server-process.ts';

const hour = 3_600_000;

async function startServer(): Promise<ServerProcess> {
  const server = await startProcess();
  onTestFinished(() => server.remove());
  return server;
}

/** Records so many events of a user; returns when the server says that they were recorded. */
async function record(server: ServerProcess, userId: string, count = 1): Promise<number[]> {
  const { recordSyncEvents } = await graphql(
    server,
    'mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) { results { event { recordedAt } } } }',
    { events: Array.from({ length: count }, () => ({ ...anEvent, userId })) },
  );
  const results: { event: { recordedAt: string } }[] = recordSyncEvents.results;
  return results.map(({ event }) => Date.parse(event.recordedAt));
}

test('the times of a log never go back, whatever the clock of the process that records', async () => {
  const server = await startServer();
  const userId = await newUser(server);
  const begun = Date.now();
  const times = await record(server, userId, 2);
  for (const aheadMs of [hour / 2, -48 * hour]) {
    await server.end('SIGTERM');
    await server.start(clockApart(aheadMs));
    times.push(...(await record(server, userId, 2)));
  }
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  // Postgres has a clock of its own, and it alone decides.
  if (provider === 'postgresql') expect((times.at(-1) ?? 0) - begun).toBeLessThan(hour / 4);
});
