import pg from 'pg';
import { anEvent } from '../../support/server.ts';
import { graphql, newUser } from '../../support/server-process.ts';
import type { Fleet } from './fleet.ts';
import type { Line } from './promises.ts';
import type { Sizes } from './sizes.ts';

/** Whose rows a stranger keeps locked, at most. */
const LOCKED_USERS = 20;
const FREE_USERS = 4;

const RECORD = `mutation ($events: [SyncEventInput!]!) {
  recordSyncEvents(input: { events: $events }) { results { event { sequence } } }
}`;

/**
 * A stranger keeps the rows of 1, 5 and 20 users locked, for whom producers go on to record. What a request of one event
 * takes for other users is compared with what it takes while nothing is locked, by turns.
 */
export async function proveLockedRows({ fleet, sizes }: { fleet: Fleet; sizes: Sizes }): Promise<Line> {
  const [instance] = fleet.instances;
  const users = (count: number) => Promise.all(Array.from({ length: count }, () => newUser(instance)));
  const locked = await users(LOCKED_USERS);
  const free = await users(FREE_USERS);
  const stranger = new pg.Client(fleet.databaseUrl);
  await stranger.connect();
  const acknowledged = new Map<string, number>();
  let refused = 0;
  const wrong = new Set<string>();

  /** Records one event. @returns milliseconds, or nothing when the users were busy */
  async function record(userId: string): Promise<number | undefined> {
    const begun = performance.now();
    try {
      await graphql(instance, RECORD, { events: [{ ...anEvent, userId }] });
      acknowledged.set(userId, (acknowledged.get(userId) ?? 0) + 1);
      return performance.now() - begun;
    } catch (error) {
      if (String(error).includes('busy with these rows')) refused += 1;
      else wrong.add(`a recording has failed: ${error}`);
      return undefined;
    }
  }

  /** What the requests of free users take, in milliseconds. */
  async function timesOfFree(): Promise<number[]> {
    const times = free.map(async (userId) => {
      const own: number[] = [];
      while (own.length < sizes.lockedRequests && wrong.size === 0) {
        const ms = await record(userId);
        if (ms === undefined) wrong.add('a user who is not locked was refused');
        else own.push(ms);
      }
      return own;
    });
    return (await Promise.all(times)).flat();
  }

  const idle: number[] = [];
  const beside: Record<string, number> = {};
  await timesOfFree(); // warms up
  for (const count of [1, 5, LOCKED_USERS]) {
    idle.push(...(await timesOfFree()));
    const some = locked.slice(0, count);
    const ofSome = () => some.reduce((sum, userId) => sum + (acknowledged.get(userId) ?? 0), 0);
    const before = ofSome();
    await stranger.query('BEGIN');
    await stranger.query('SELECT 1 FROM "user" WHERE id = ANY($1) FOR UPDATE', [some]);
    let isOver = false;
    const producers = some.map(async (userId) => {
      while (!isOver) await record(userId);
    });
    beside[`beside ${count} locked (ms)`] = medianOf(await timesOfFree());
    if (ofSome() > before) wrong.add('an event of a locked user is acknowledged');
    isOver = true;
    await stranger.query('ROLLBACK');
    await Promise.all(producers);
  }
  const userIds = [...locked, ...free];
  const { rows } = await stranger.query<{ id: string; head: number; stored: number }>(
    `SELECT id, head_sequence AS head, (SELECT count(*)::int FROM sync_event e WHERE e.user_id = u.id) AS stored
     FROM "user" u WHERE id = ANY($1)`,
    [userIds],
  );
  await stranger.end();
  const more = rows.map(({ id, stored }) => stored - (acknowledged.get(id) ?? 0));
  if (rows.some(({ head, stored }) => head !== stored)) wrong.add('the numbers of a log are not dense');
  const ratio = Math.max(...Object.values(beside)) / medianOf(idle);
  if (ratio > sizes.lockedRatio)
    wrong.add(`users who are not locked wait for those who are: ${ratio.toFixed(1)} times as long`);
  const total = [...acknowledged.values()].reduce((sum, count) => sum + count, 0);
  return {
    promise: 'rows of 1, 5 and 20 users that a stranger keeps locked',
    outcome: {
      faults: 3,
      cuts: 0,
      acknowledged: total,
      sessions: 0,
      seen: total,
      missing: more.reduce((sum, count) => sum + Math.max(0, -count), 0),
      duplicated: more.reduce((sum, count) => sum + Math.max(0, count), 0),
      outOfOrder: 0,
      worstCatchUpMs: 0,
      wrong: [...wrong],
    },
    more: {
      refused,
      'median of free users, idle (ms)': medianOf(idle).toFixed(1),
      ...Object.fromEntries(Object.entries(beside).map(([name, ms]) => [name, ms.toFixed(1)])),
      ratio: ratio.toFixed(2),
    },
  };
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
