import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { startFaultyProxy } from '../../support/faulty-proxy.ts';
import { anEvent } from '../../support/server.ts';
import { graphql, newUser, type ServerProcess, startProcess } from '../../support/server-process.ts';
import type { Fleet } from './fleet.ts';
import type { Line } from './promises.ts';
import type { Sizes } from './sizes.ts';

/** How soon another instance records for users whom a lost one has locked. */
const FREE_MS = 15_000;
/** How soon an instance that is back records again. */
const BACK_MS = 20_000;

const RECORD = `mutation ($events: [SyncEventInput!]!) {
  recordSyncEvents(input: { events: $events }) { results { event { sequence } } }
}`;

/**
 * Instances that are lost in the middle of a transaction, with a user locked: by turns one that is paused (SIGSTOP) and
 * goes on later, and one whose connections to Postgres carry nothing any more. Another instance records for that user.
 */
export async function proveLostInstances({ fleet, sizes }: { fleet: Fleet; sizes: Sizes }): Promise<Line> {
  const [other, paused] = fleet.instances;
  const proxy = await startFaultyProxy(fleet.databaseUrl);
  const cutOff = await startProcess({ DATABASE_URL: proxy.url, LOG_LEVEL: 'fatal' });
  const stranger = new pg.Client(fleet.databaseUrl);
  await stranger.connect();
  const acknowledged = new Map<string, number>();
  const wrong: string[] = [];
  let worstMs = 0;

  const record = async (instance: ServerProcess, userId: string) => {
    await graphql(instance, RECORD, { events: [{ ...anEvent, userId }] });
    acknowledged.set(userId, (acknowledged.get(userId) ?? 0) + 1);
  };

  /** Records until that works; returns how long it took, in milliseconds. */
  async function recordAtLast(instance: ServerProcess, userId: string, boundMs: number): Promise<number> {
    const begun = performance.now();
    for (;;) {
      const failure = await record(instance, userId).then(() => undefined, String);
      const ms = performance.now() - begun;
      if (ms > boundMs) wrong.push(`recording took ${ms.toFixed(0)} ms to work again: ${failure ?? 'recorded'}`);
      if (failure === undefined || ms > boundMs) return ms;
      await wait(100);
    }
  }

  /** Lets an instance begin a transaction, and returns while that has its user locked and waits. */
  async function beginOn(instance: ServerProcess, userId: string): Promise<void> {
    await stranger.query('BEGIN; LOCK TABLE sync_run IN ACCESS EXCLUSIVE MODE');
    record(instance, userId).catch(() => {});
    const waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'sync_run'::regclass";
    while ((await stranger.query(waiting)).rowCount === 0) await wait(10);
  }

  for (let fault = 0; fault < sizes.lostInstances; fault += 1) {
    const isPause = fault % 2 === 0;
    const lost = isPause ? paused : cutOff;
    const userId = await newUser(other);
    await record(lost, userId);
    await beginOn(lost, userId);
    if (isPause) process.kill(lost.pid ?? 0, 'SIGSTOP');
    else proxy.blackHole();
    await stranger.query('ROLLBACK');
    worstMs = Math.max(worstMs, await recordAtLast(other, userId, FREE_MS));
    if (isPause) process.kill(lost.pid ?? 0, 'SIGCONT');
    await recordAtLast(lost, userId, BACK_MS);
  }

  const { rows } = await stranger.query<{ id: string; head: number; stored: number }>(
    `SELECT id, head_sequence AS head, (SELECT count(*)::int FROM sync_event e WHERE e.user_id = u.id) AS stored
     FROM "user" u WHERE id = ANY($1)`,
    [[...acknowledged.keys()]],
  );
  await stranger.end();
  await cutOff.remove();
  await proxy.close();
  if (rows.some(({ head, stored }) => head !== stored)) wrong.push('the numbers of a log are not dense');
  const missing = rows.map(({ id, stored }) => Math.max(0, (acknowledged.get(id) ?? 0) - stored));
  const total = [...acknowledged.values()].reduce((sum, count) => sum + count, 0);
  return {
    promise: 'instances that are paused or cut off in the middle of a transaction',
    outcome: {
      faults: sizes.lostInstances,
      cuts: 0,
      acknowledged: total,
      sessions: 0,
      seen: 0,
      missing: missing.reduce((sum, count) => sum + count, 0),
      duplicated: 0,
      outOfOrder: 0,
      worstCatchUpMs: 0,
      wrong,
    },
    more: { 'their users locked for at most (ms)': worstMs.toFixed(0) },
  };
}
