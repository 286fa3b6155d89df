import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadDemo } from '../../src/demo/load-demo.ts';
import { demoPeople } from '../../src/demo/people.ts';
import { simulate } from '../../src/demo/simulate.ts';
import { mulberry32 } from '../support/seeded.ts';
import { startServer, type TestServer } from '../support/server.ts';

const [ada, clinic, ...others] = demoPeople;

let server: TestServer;
beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.close());

function load(options: Partial<Parameters<typeof loadDemo>[2]> = {}) {
  const now = new Date();
  const signal = new AbortController().signal;
  return loadDemo(server.app.services, demoPeople, { now, random: Math.random, signal, onProgress() {}, ...options });
}

const storedEvents = () => server.app.services.database.reader.syncEvent.count();
const storedUsers = () => server.app.services.database.reader.user.count();

test('the history goes in batches as large as a recording may be, and each is told', async () => {
  const told: [number, number][] = [];
  const { kind, events } = await load({ onProgress: (recorded, total) => told.push([recorded, total]) });
  expect(kind).toBe('recorded');
  const batches = Array.from({ length: Math.ceil(events / 500) }, (_, index) => Math.min(500 * (index + 1), events));
  expect(told).toEqual([0, ...batches].map((recorded) => [recorded, events]));
  expect(await storedEvents()).toBe(events);
  expect(await storedUsers()).toBe(demoPeople.length);
});

test('the history has connections in every state but one that is syncing', async () => {
  await load();
  const { data } = await server.graphql('{ users(first: 20) { edges { node { connections { health } } } } }');
  const users: { node: { connections: { health: string }[] } }[] = data.users.edges;
  const found = new Set(users.flatMap(({ node }) => node.connections.map(({ health }) => health)));
  found.delete('SYNCING'); // the lost runs of a history may have been lost just now
  expect([...found].sort()).toEqual(['DELAYED', 'FAILING', 'HEALTHY', 'NO_PROGRESS', 'UNKNOWN']);
});

test('a second load keeps the events and brings back people who were deleted', async () => {
  const { events } = await load();
  await server.app.services.users.delete(clinic?.id ?? '');
  const left = await storedEvents();
  expect(await load()).toEqual({ kind: 'kept', events: left });
  expect(left).toBeLessThan(events);
  expect(await storedEvents()).toBe(left);
  expect(await storedUsers()).toBe(demoPeople.length);
});

test("other people's logs neither count nor change", async () => {
  const userId = await server.user();
  await server.record({ userId });
  expect((await load()).kind).toBe('recorded');
  const [user] = await server.app.services.users.byIds([userId]);
  expect(user?.headSequence).toBe(1);
});

test('a load that is cut short leaves nothing behind', async () => {
  const stop = new AbortController();
  const onProgress = (recorded: number) => recorded >= 1_000 && stop.abort(new Error('enough'));
  await expect(load({ signal: stop.signal, onProgress })).rejects.toThrow('enough');
  expect(await storedEvents()).toBe(0);
  expect(await storedUsers()).toBe(0);
});

test('the live syncs go on when a visitor deletes a person, and end when they are told to', async () => {
  for (const { id } of [ada, ...others]) await server.user({ id });
  const stop = new AbortController();
  let pauses = 0;
  await simulate(server.app.services.log, demoPeople, {
    random: mulberry32(7),
    clock: () => new Date(),
    signal: stop.signal,
    async sleep() {
      pauses += 1;
      if (pauses === 400) stop.abort();
    },
  });
  const recorded = await storedEvents();
  expect(recorded).toBeGreaterThan(300);
  expect(recorded).toBeLessThan(400);
});

test('the live syncs end with what makes recording impossible', async () => {
  const log = { ...server.app.services.log, record: () => Promise.reject(new Error('disk full')) };
  const signal = new AbortController().signal;
  const options = { random: Math.random, clock: () => new Date(), signal, sleep };
  await expect(simulate(log, demoPeople, options)).rejects.toThrow('disk full');
});
