import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { judgeDue } from '../../src/connections/keep-judged.ts';
import { startServer, type TestServer } from '../support/server.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const start = Date.UTC(2026, 2, 14, 12);

let server: TestServer;
let now = start;

beforeAll(async () => {
  server = await startServer({ clock: () => now, limits: { judgingPauseMs: 3_600_000 } });
});
afterAll(() => server.close());
beforeEach(() => {
  now = start;
});

/** One look for those that are due, at once. */
const judge = () => {
  const { database, log } = server.app.services;
  return judgeDue({ database, wakeUps: log.wakeUps, clock: () => now });
};

interface Told {
  readonly run: string;
  readonly status?: string;
  readonly items?: number;
  readonly source?: string;
  readonly scope?: string;
}

/** Records an event at a moment, in milliseconds after the start. */
async function tell(userId: string, atMs: number, { run, items, ...rest }: Told): Promise<void> {
  now = start + atMs;
  await server.record({ userId, runId: run, ...rest, itemsProcessed: items, timestamp: new Date(now).toISOString() });
}

/** What the field says, and which filters find the connection. */
async function healthOf(userId: string) {
  const healths = ['FAILING', 'NO_PROGRESS', 'SYNCING', 'DELAYED', 'HEALTHY', 'UNKNOWN'];
  const lists = healths.map(
    (health) => `${health}: connections(filter: { health: ${health}, provider: "oura" }, first: 200) { ...all }`,
  );
  const { data, errors } = await server.graphql(
    `query { ${lists.join(' ')} } fragment all on ProviderLinkConnection { edges { node { health user { id } } } }`,
  );
  expect(errors).toEqual([]);
  const found = healths.flatMap((listed) =>
    (data[listed].edges as { node: { health: string; user: { id: string } } }[])
      .filter(({ node }) => node.user.id === userId)
      .map(({ node }) => ({ listed, health: node.health })),
  );
  expect(found).toHaveLength(1);
  return found[0];
}
const bothSay = (health: string) => ({ listed: health, health });

describe('the connections of all users by health', () => {
  test('follow each event at once', async () => {
    const userId = await server.user();
    await tell(userId, 0, { run: 'a' });
    expect(await healthOf(userId)).toEqual(bothSay('SYNCING'));
    await tell(userId, minute, { run: 'a', status: 'SUCCESS', items: 3 });
    expect(await healthOf(userId)).toEqual(bothSay('HEALTHY'));
    for (const n of [1, 2, 3]) await tell(userId, n * hour, { run: `f${n}`, status: 'FAILED' });
    expect(await healthOf(userId)).toEqual(bothSay('FAILING'));
  });

  test('are syncing until the last of several runs has ended', async () => {
    const userId = await server.user();
    await tell(userId, 0, { run: 'a' });
    await tell(userId, 1000, { run: 'b' });
    await tell(userId, 2000, { run: 'a', status: 'SUCCESS' });
    expect(await healthOf(userId)).toEqual(bothSay('SYNCING'));
    await tell(userId, 3000, { run: 'b', status: 'SUCCESS' });
    expect(await healthOf(userId)).toEqual(bothSay('HEALTHY'));
  });

  test('notice that a sync has stalled, and that one goes on', async () => {
    const userId = await server.user();
    await tell(userId, 0, { run: 'a', status: 'SUCCESS' });
    await tell(userId, minute, { run: 'b' });
    await tell(userId, 9 * minute, { run: 'b' });
    now = start + 12 * minute;
    await judge();
    expect(await healthOf(userId)).toEqual(bothSay('SYNCING'));
    now = start + 20 * minute;
    await judge();
    expect(await healthOf(userId)).toEqual(bothSay('HEALTHY'));
    await tell(userId, 21 * minute, { run: 'b' });
    expect(await healthOf(userId)).toEqual(bothSay('SYNCING'));
  });

  test('notice that nobody knows any more', async () => {
    const userId = await server.user();
    await tell(userId, 0, { run: 'a', status: 'SUCCESS' });
    now = start + 6 * hour;
    expect(await judge()).toBe(false);
    expect(await healthOf(userId)).toEqual(bothSay('UNKNOWN'));
    await tell(userId, 7 * hour, { run: 'b', status: 'SUCCESS' });
    expect(await healthOf(userId)).toEqual(bothSay('HEALTHY'));
  });

  test('tell of those that an earlier release has written', async () => {
    const userId = await server.user();
    await tell(userId, 0, { run: 'a', status: 'SUCCESS' });
    const { database } = server.app.services;
    await database.transaction((transaction) =>
      transaction.providerLink.updateMany({ where: { userId }, data: { health: 'unjudged', healthUntil: null } }),
    );
    await judge();
    expect(await healthOf(userId)).toEqual(bothSay('HEALTHY'));
  });

  test('of an earlier release have the class of what is wrong with their next event, or once they are judged', async () => {
    const [judgedAlone, goingOn] = [await server.user(), await server.user()];
    const { database } = server.app.services;
    for (const userId of [judgedAlone, goingOn]) {
      await tell(userId, 0, { run: 'a', status: 'FAILED' });
      const older = { health: 'unjudged', reasonClass: '', state: 'needs_reconnect', problem: 'refresh_failed' };
      await database.transaction((transaction) =>
        transaction.providerLink.updateMany({ where: { userId }, data: { ...older, failingSince: null } }),
      );
    }
    await tell(goingOn, minute, { run: 'b' });
    await judge();
    const { reader } = database;
    const wrong = { userId: { in: [judgedAlone, goingOn] }, reasonClass: 'RECONNECT_NEEDED', health: 'failing' };
    expect(await reader.providerLink.count({ where: wrong })).toBe(2);
    await tell(goingOn, hour, { run: 'c', status: 'FAILED' });
    // Nobody knows since when, as that release did not say.
    expect(await reader.providerLink.findFirst({ where: { userId: goingOn } })).toMatchObject({ failingSince: null });
  });

  test('are judged in as few transactions as they can be, and every one that is due', async () => {
    const users = await Promise.all(Array.from({ length: 450 }, () => server.user()));
    await server.record(
      ...users.slice(0, 225).map((userId) => ({ userId, runId: 'a', provider: 'polar', status: 'SUCCESS' })),
    );
    await server.record(
      ...users.slice(225).map((userId) => ({ userId, runId: 'a', provider: 'polar', status: 'SUCCESS' })),
    );
    now = start + 40 * day;
    const looks: boolean[] = [];
    do looks.push(await judge());
    while (looks.at(-1));
    expect(looks.length).toBeLessThanOrEqual(4);
    const { reader } = server.app.services.database;
    expect(await reader.providerLink.count({ where: { userId: { in: users }, health: 'unknown' } })).toBe(450);
    expect(await reader.providerLink.count({ where: { healthUntil: { lte: new Date(now) } } })).toBe(0);
  });
});

describe("a person's own rhythm", () => {
  const pulls = async (userId: string, [from, to]: [day: number, day: number], items: (day: number) => number) => {
    for (let n = from * 8; n < to * 8; n++)
      await tell(userId, n * 3 * hour, { run: `p${n}`, status: 'SUCCESS', items: items(n / 8) });
  };

  test('tells that a pull every three hours is late within half a day', async () => {
    const userId = await server.user();
    await pulls(userId, [0, 8], () => 1);
    expect(await healthOf(userId)).toEqual(bothSay('HEALTHY'));
    now += 12 * hour;
    await judge();
    expect(await healthOf(userId)).toEqual(bothSay('DELAYED'));
  });

  test('takes nobody for an outage who wears a device now and then', async () => {
    const userId = await server.user();
    const days = [0, 3, 5, 10, 12, 17, 19, 24, 30];
    await pulls(userId, [0, 31], (at) => (days.includes(at) ? 40 : 0));
    now += 4 * day;
    const field = await server.graphql('query ($id: UUID!) { user(id: $id) { connections { health } } }', {
      id: userId,
    });
    expect(field.data.user.connections).not.toEqual([{ health: 'NO_PROGRESS' }]);
    await tell(userId, 34 * day, { run: 'next', status: 'SUCCESS', items: 0 });
    expect(await healthOf(userId)).toEqual(bothSay('HEALTHY'));
    await pulls(userId, [35, 60], () => 0);
    expect(await healthOf(userId)).toEqual(bothSay('NO_PROGRESS'));
  });

  test('is not learnt from history', async () => {
    const userId = await server.user();
    for (let n = 0; n < 40; n++)
      await tell(userId, n * 6 * hour, {
        run: `h${n}`,
        status: 'SUCCESS',
        items: 9,
        source: 'BACKFILL',
        scope: 'HISTORICAL',
      });
    now += 3 * day;
    await judge();
    expect(await healthOf(userId)).toEqual(bothSay('UNKNOWN'));
  });
});
