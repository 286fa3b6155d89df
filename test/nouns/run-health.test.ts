import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { startServer, type TestServer } from '../support/server.ts';
import { streamTransports } from '../support/streams.ts';

const minute = 60_000;
const start = Date.UTC(2026, 2, 14, 12);

let server: TestServer;
/** What the server's clock shows, and how much further it goes with each look at it. */
let now = start;
let tick = 0;

beforeAll(async () => {
  server = await startServer({
    clock: () => {
      now += tick;
      return now;
    },
  });
});
afterAll(() => server.close());
beforeEach(() => {
  now = start;
  tick = 0;
});

const time = (ms: number) => new Date(ms).toISOString();
const ended = { stage: 'COMPLETED', status: 'SUCCESS' };

async function healthOf(userId: string): Promise<string> {
  const { data } = await server.graphql('query ($id: UUID!) { user(id: $id) { syncRun(runId: "run_1") { health } } }', {
    id: userId,
  });
  return data.user.syncRun.health;
}

/** Minutes of silence after which a run is quiet, and after which it has stalled. */
const patience: [source: string, quiet: number, stalled: number][] = [
  ['PULL', 2, 10],
  ['WEBHOOK', 1, 10],
  ['SDK', 2, 10],
  ['BACKFILL', 6, 40],
  ['LINKED_ACCOUNT', 6, 40],
  ['XML_IMPORT', 10, 60],
];

describe('the health of a run', () => {
  test.each(patience)(
    'of %s is ACTIVE, QUIET after %i minutes and STALLED after %i',
    async (source, quiet, stalled) => {
      const userId = await server.user();
      await server.record({ userId, source, timestamp: time(start) });
      for (const [age, health] of [
        [0, 'ACTIVE'],
        [quiet * minute - 1, 'ACTIVE'],
        [quiet * minute, 'QUIET'],
        [stalled * minute - 1, 'QUIET'],
        [stalled * minute, 'STALLED'],
        [365 * 24 * 60 * minute, 'STALLED'],
      ] as const) {
        now = start + age;
        expect([age, await healthOf(userId)]).toEqual([age, health]);
      }
    },
  );

  test('of a source that this server does not know is the most patient', async () => {
    const userId = await server.user();
    const event = { userId, runId: 'run_1', provider: 'oura', stage: 'fetching', status: 'in_progress' };
    await server.app.services.log.record([{ ...event, source: 'satellite', timestamp: new Date(start) }]);
    now = start + 10 * minute;
    expect(await healthOf(userId)).toBe('QUIET');
    now = start + 60 * minute;
    expect(await healthOf(userId)).toBe('STALLED');
  });

  test.each(['SUCCESS', 'PARTIAL', 'FAILED', 'CANCELLED', 'SKIPPED'])(
    'is ENDED with %s, at any age',
    async (status) => {
      const userId = await server.user();
      await server.record({ userId, status, timestamp: time(start) });
      expect(await healthOf(userId)).toBe('ENDED');
      now = start + 90 * minute;
      expect(await healthOf(userId)).toBe('ENDED');
    },
  );

  test.each(['UNFINISHED', 'STALE'])('is STALLED at once where the producer says %s', async (status) => {
    const userId = await server.user();
    await server.record({ userId, status, timestamp: time(start) });
    expect(await healthOf(userId)).toBe('STALLED');
    await server.record({ userId, timestamp: time(start) });
    expect(await healthOf(userId)).toBe('ACTIVE');
  });

  test('is ACTIVE again with the next event, and never an event itself', async () => {
    const userId = await server.user();
    await server.record({ userId, timestamp: time(start) });
    now = start + 30 * minute;
    expect(await healthOf(userId)).toBe('STALLED');
    await server.record({ userId, timestamp: time(now) });
    expect(await healthOf(userId)).toBe('ACTIVE');
    const { data } = await server.graphql('query ($id: UUID!) { user(id: $id) { headCursor } }', { id: userId });
    expect(data.user.headCursor).toBe('2');
  });

  test.each([
    ['five minutes ahead', 5],
    ['a day ahead', 24 * 60],
    ['years ahead', 5 * 365 * 24 * 60],
    ['an hour behind', -60],
    ['in another time zone', -14 * 60],
  ])('goes by when an event was recorded, with a producer whose clock is %s', async (_, minutes) => {
    const userId = await server.user();
    await server.record({ userId, timestamp: time(start + minutes * minute) });
    for (const [age, health, connection] of [
      [0, 'ACTIVE', 'SYNCING'],
      [2 * minute, 'QUIET', 'SYNCING'],
      [10 * minute, 'STALLED', 'UNKNOWN'],
    ] as const) {
      now = start + age;
      const { data } = await server.graphql(
        `query ($id: UUID!) {
          user(id: $id) { connections { health currentRun { health } } syncRun(runId: "run_1") { health lastEventAt } }
        }`,
        { id: userId },
      );
      expect(data.user).toEqual({
        syncRun: { health, lastEventAt: time(start + Math.min(0, minutes) * minute) },
        connections: [{ health: connection, currentRun: health === 'STALLED' ? null : { health } }],
      });
    }
  });

  test('is STALLED at once where the event is history by the word of its producer', async () => {
    const userId = await server.user();
    const day = 24 * 60 * minute;
    await server.record({ userId, timestamp: time(start - 2 * day) });
    expect(await healthOf(userId)).toBe('STALLED');
    await server.record({ userId, timestamp: time(start - 2 * day + 1) });
    expect(await healthOf(userId)).toBe('ACTIVE');
  });

  test('a run that is dated ahead does not lead the lists for longer than others', async () => {
    const userId = await server.user();
    await server.record({ userId, runId: 'ahead', timestamp: time(start + 365 * 24 * 60 * minute) });
    now = start + minute;
    await server.record({ userId, runId: 'later', timestamp: time(now) });
    const { data } = await server.graphql(
      'query ($id: UUID!) { user(id: $id) { syncRuns { edges { node { runId } } } } }',
      { id: userId },
    );
    expect(data.user.syncRuns.edges.map(({ node }: { node: { runId: string } }) => node.runId)).toEqual([
      'later',
      'ahead',
    ]);
  });
});

describe('lists of runs by health', () => {
  const list = `query ($id: UUID!, $first: Int, $after: String, $last: Int, $before: String, $filter: SyncRunFilter) {
    all: syncRuns(first: $first, after: $after, last: $last, before: $before, filter: $filter) { ...page }
    user(id: $id) {
      syncRuns(first: $first, after: $after, last: $last, before: $before, filter: $filter) { ...page }
    }
  }
  fragment page on SyncRunConnection {
    edges { node { runId health provider } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }`;
  let userId: string;
  const providers = ['oura', 'garmin'];

  interface Node {
    readonly runId: string;
    readonly health: string;
    readonly provider: string;
  }

  async function page(args: object): Promise<{ nodes: Node[]; pageInfo: Record<string, string> }> {
    const { data, errors } = await server.graphql(list, { id: userId, ...args });
    expect(errors).toEqual([]);
    // Nobody else's runs match a filter with this user.
    expect(data.all).toEqual(data.user.syncRuns);
    return { nodes: data.all.edges.map(({ node }: { node: Node }) => node), pageInfo: data.all.pageInfo };
  }

  beforeAll(async () => {
    userId = await server.user();
    const random = fc.sample(
      fc.record({
        provider: fc.constantFrom(...providers),
        source: fc.constantFrom(
          'pull',
          'webhook',
          'sdk',
          'backfill',
          'xml_import',
          'linked_account',
          'satellite',
          'constructor',
        ),
        status: fc.constantFrom('in_progress', 'in_progress', 'in_progress', 'stale', 'success', 'new word'),
        // Full minutes, so that many runs stand exactly where their health changes.
        age: fc.constantFrom(0, 1, 2, 3, 6, 10, 11, 40, 60, 61),
      }),
      { numRuns: 150, seed: 5 },
    );
    const drafts = random.map(({ age, ...event }, n) => ({
      age,
      draft: {
        ...{ userId, runId: `run_${n}`, stage: 'fetching', ...event },
        timestamp: new Date(start - age * minute),
      },
    }));
    for (const { age, draft } of drafts.toSorted((one, other) => other.age - one.age)) {
      now = start - age * minute;
      await server.app.services.log.record([draft]);
    }
    now = start;
  });

  test('hold the runs whose health is asked for, page by page, and no others', async () => {
    const { nodes: everything } = await page({ first: 200, filter: { userId } });
    expect(everything).toHaveLength(150);
    expect(new Set(everything.map(({ health }) => health)).size).toBe(4);
    await fc.assert(
      fc.asyncProperty(
        fc.subarray(['ACTIVE', 'QUIET', 'STALLED', 'ENDED']),
        fc.option(fc.constantFrom(...providers)),
        fc.integer({ min: 1, max: 60 }),
        fc.boolean(),
        async (health, provider, size, backwards) => {
          const filter = { userId, health, ...(provider && { providers: [provider] }) };
          const wanted = everything.filter(
            (run) => health.includes(run.health) && (provider === null || run.provider === provider),
          );
          const visited: Node[] = [];
          for (let cursor: string | undefined, more = true; more; ) {
            const found = await page(
              backwards ? { filter, last: size, before: cursor } : { filter, first: size, after: cursor },
            );
            if (backwards) visited.unshift(...found.nodes);
            else visited.push(...found.nodes);
            cursor = found.pageInfo[backwards ? 'startCursor' : 'endCursor'];
            more = Boolean(found.pageInfo[backwards ? 'hasPreviousPage' : 'hasNextPage']);
          }
          expect(visited).toEqual(wanted);
        },
      ),
      { numRuns: 40 },
    );
  });

  test.each(patience)(
    'hold a run of %s at the very moments at which its health changes',
    async (source, quiet, stalled) => {
      const owner = await server.user();
      await server.record({ userId: owner, source, timestamp: time(start) });
      const states = ['ACTIVE', 'QUIET', 'STALLED'];
      for (const border of [quiet * minute, stalled * minute, 48 * 60 * minute])
        for (const off of [-1, 0, 1]) {
          now = start + border + off;
          const held: string[] = [];
          for (const health of [
            ['ACTIVE'],
            ['QUIET'],
            ['STALLED'],
            ['ACTIVE', 'QUIET'],
            ['ACTIVE', 'STALLED'],
            ['QUIET', 'STALLED'],
          ]) {
            const { data } = await server.graphql(
              'query ($filter: SyncRunFilter) { syncRuns(filter: $filter) { edges { node { health } } } }',
              { filter: { userId: owner, health } },
            );
            held.push(...(data.syncRuns.edges.length > 0 ? [health.join()] : []));
          }
          const own = await healthOf(owner);
          expect(states).toContain(own);
          expect([border, off, held]).toEqual([
            border,
            off,
            ['ACTIVE', 'QUIET', 'STALLED', 'ACTIVE,QUIET', 'ACTIVE,STALLED', 'QUIET,STALLED'].filter((asked) =>
              asked.split(',').includes(own),
            ),
          ]);
        }
    },
  );

  test('are not filtered by null', async () => {
    expect((await page({ first: 200, filter: { userId, health: null } })).nodes).toHaveLength(150);
  });

  test('are judged by one moment, however long the answer takes', async () => {
    const filter = { userId, health: ['ACTIVE', 'QUIET'] };
    tick = 90_000;
    const { nodes } = await page({ first: 200, filter });
    expect(nodes.length).toBeGreaterThan(0);
    expect(nodes.filter(({ health }) => !filter.health.includes(health))).toEqual([]);
  });
});

test.each(Object.entries(streamTransports))('runs watched over %s can be filtered by health', async (_, openStream) => {
  const userId = await server.user();
  const query = `subscription ($filter: SyncRunFilter) {
    syncRunChanges(filter: $filter) { began run { runId health } }
  }`;
  const variables = { filter: { userId, health: ['STALLED', 'ENDED'] } };
  const stream = await openStream(server.url, { query, variables, headers: server.admin });
  onTestFinished(() => stream.close());
  const next = async () => (await stream.next())?.data.syncRunChanges;
  expect(await next()).toMatchObject({ began: true });
  await server.record({ userId, runId: 'a', timestamp: time(now) });
  await server.record({ userId, runId: 'told late', timestamp: time(now - 49 * 60 * minute) });
  await server.record({ userId, runId: 'a', ...ended });
  const seen = [(await next()).run, (await next()).run];
  expect(seen).toEqual([
    { runId: 'told late', health: 'STALLED' },
    { runId: 'a', health: 'ENDED' },
  ]);
});

test('runs that are watched are shown as they were judged by the filter, however long that is ago', async () => {
  const userId = await server.user();
  const query =
    'subscription ($filter: SyncRunFilter) { syncRunChanges(filter: $filter) { began run { runId health } } }';
  const filter = { userId, health: ['ACTIVE', 'ENDED'] };
  const stream = await streamTransports.websocket(server.url, { query, variables: { filter }, headers: server.admin });
  onTestFinished(() => stream.close());
  await stream.next();
  // Whatever the number of looks at the clock before a run is judged: with some of these ticks it is QUIET one later.
  tick = 2 * minute;
  for (let each = 0; tick > 5_000; each += 1, tick *= 0.93) {
    await server.record({ userId, runId: `run ${each}` });
    await server.record({ userId, runId: `end ${each}`, ...ended });
    for (let runId = ''; runId !== `end ${each}`; ) {
      const { run } = (await stream.next())?.data.syncRunChanges ?? {};
      expect([run.runId, filter.health]).toEqual([run.runId, expect.arrayContaining([run.health])]);
      runId = run.runId;
    }
  }
});
