import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FaultyPostgres, startFaultyPostgres } from '../support/faulty-postgres.ts';
import { type Instances, startInstances } from '../support/instances.ts';
import { openLog, readLog } from '../support/log-reader.ts';
import { graphql } from '../support/server-process.ts';
import { streamTransports } from '../support/streams.ts';

/** How long the database is away. The promise is 30 s; `npm run faults -- --full` keeps it. */
const AWAY_MS = Number(process.env.AWAY_MS ?? 4_000);
const queryWithRuns = readLog.replace('message', 'message run { eventCount } user { id }');

let postgres: FaultyPostgres;
let instances: Instances;

beforeAll(async () => {
  postgres = await startFaultyPostgres();
  instances = await startInstances(await postgres.createDatabase('away'));
});
afterAll(async () => {
  await instances?.close();
  await postgres?.remove();
});

const sequences = (events: readonly { sequence: number }[]) => events.map(({ sequence }) => sequence);

describe.each(['websocket', 'sse'] as const)('streams over %s', (name) => {
  test.each(['fast', 'crash'] as const)('go on when Postgres was away (%s), whatever they were doing', async (how) => {
    const [a, b] = instances.apps;
    const userId = await instances.user();
    for (let batch = 0; batch < 3; batch += 1) await instances.record(a, userId, 400);
    const to = (app: typeof a) => ({ url: app.url, headers: instances.admin });
    const waiting = await openLog(streamTransports[name], to(b), { userId }, queryWithRuns);
    await waiting.step();
    const replaying = await openLog(streamTransports[name], to(a), { userId, after: '0' }, queryWithRuns);
    const before = await replaying.step();

    await postgres.stop(how);
    const replayed = replaying.eventsUpTo(1_201);
    const asked = Date.now();
    await expect(instances.record(a, userId)).rejects.toThrow(/away/);
    expect(Date.now() - asked).toBeLessThan(5_000);
    await wait(AWAY_MS);
    await postgres.start();

    const back = Date.now();
    for (;;)
      try {
        await instances.record(a, userId);
        break;
      } catch {
        await wait(50);
      }
    expect(Date.now() - back).toBeLessThan(5_000);
    expect(sequences(await waiting.eventsUpTo(1_201))).toEqual([1_201]);
    expect(Date.now() - back).toBeLessThan(10_000);
    const seen = sequences([...before.events, ...(await replayed)]);
    expect(seen).toEqual(seen.map((_, index) => index + 1));
    expect(seen.length).toBe(1_201);
    await expect(graphql(to(b), '{ viewer { __typename } }')).resolves.toBeDefined();
  });
});
