import type { Database, Decision, Queryable } from '../db/database.ts';
import { isHeldUp } from '../db/faults.ts';
import type { ProviderLink } from '../db/rows.ts';
import type { WakeUps } from '../instances/wake-ups.ts';
import type { Clock } from '../lib/clock.ts';
import { groupBy } from '../lib/group-by.ts';
import { pause } from '../lib/pause.ts';
import { retry } from '../lib/retry.ts';
import type { Limits } from '../limits.ts';
import { LOCK_WAIT_MS } from '../log/record/recording-commits.ts';
import { logSqlOf } from '../log/sql/log-sql-of.ts';
import { noteChange } from '../log/sql/revision.ts';
import { stallsAt } from '../runs/run-health.ts';
import { UNJUDGED } from './connection-health.ts';
import { type ConnectionKey, connectionUpsert, selectConnections } from './connection-sql.ts';
import { judged } from './judged.ts';
import { readUnderWay } from './under-way.ts';

/** Connections that one transaction judges: those who record for their users wait some milliseconds. */
const LINKS_PER_TRANSACTION = 200;
const RETRY_MS = { first: 500, longest: 30_000 };

interface JudgingOptions {
  readonly database: Pick<Database, 'kind' | 'reader' | 'change'>;
  readonly wakeUps: WakeUps;
  readonly clock: Clock;
  readonly limits: Pick<Limits, 'judgingPauseMs'>;
  readonly onError: (error: unknown) => void;
}

/**
 * Judges the connections anew whose health may have changed because time went by: a sync has stalled, something is late. The
 * lists and the streams of connections go by what was judged last. An index leads to those that are due, so that a look that
 * finds none costs nothing much. Several instances may: a connection that another one has judged is due no more.
 * @returns what ends it, and resolves when nothing of it runs any more
 */
export function startJudgingLinks(options: JudgingOptions): () => Promise<void> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const judging = retry(
    async (works) => {
      while (!signal.aborted) {
        const isMore = await judgeDue(options);
        works();
        if (!isMore) await pause(options.limits.judgingPauseMs, signal);
      }
    },
    { signal, pauseMs: RETRY_MS, onFailure: options.onError },
  );
  return async () => {
    stopping.abort();
    await judging;
  };
}

interface Judgement {
  readonly count: number;
  /** Users of whose connections a health is another one now. */
  readonly changed: readonly string[];
}

/** @returns whether more may be due */
export async function judgeDue({
  database,
  wakeUps,
  clock,
}: Omit<JudgingOptions, 'limits' | 'onError'>): Promise<boolean> {
  const now = clock();
  const due = await findDue(database.reader, now);
  if (due.length === 0) return false;
  try {
    const judgement = await database.change((reading) => judge(reading, database, due, now), {
      lockWaitMs: LOCK_WAIT_MS,
    });
    for (const userId of judgement.changed) wakeUps.notify({ kind: 'touched', userId });
    return due.length >= LINKS_PER_TRANSACTION && judgement.count > 0;
  } catch (error) {
    if (isHeldUp(error)) return false;
    throw error;
  }
}

async function findDue(database: Queryable, now: number): Promise<readonly ConnectionKey[]> {
  const limit = LINKS_PER_TRANSACTION;
  const rows = await database.$queryRaw<Pick<ProviderLink, 'userId' | 'provider'>[]>`
    SELECT * FROM (SELECT c.user_id AS "userId", c.provider FROM provider_connection c
      WHERE c.health_until <= ${new Date(now)} ORDER BY c.health_until LIMIT ${limit}) AS due
    UNION ALL
    SELECT * FROM (SELECT c.user_id AS "userId", c.provider FROM provider_connection c
      WHERE c.health = ${UNJUDGED} LIMIT ${limit}) AS unjudged`;
  return rows.slice(0, limit).map(({ userId, provider }) => [userId, provider]);
}

/** Users whom somebody else has locked are left for the next look: what is recorded for them judges them, too. */
async function judge(
  reading: Queryable,
  { kind }: JudgingOptions['database'],
  due: readonly ConnectionKey[],
  now: number,
): Promise<Decision<Judgement>> {
  const log = logSqlOf({ kind });
  const [{ heads, change }, found] = await Promise.all([
    log.lockUsers(reading, [...new Set(due.map(([userId]) => userId))].sort(), 'skip'),
    reading.$queryRaw<ProviderLink[]>(selectConnections[kind](due)),
  ]);
  // Another instance may have judged one meanwhile.
  const isDue = ({ health, healthUntil }: ProviderLink) =>
    health === UNJUDGED || (healthUntil !== null && healthUntil.getTime() <= now);
  const links = found.filter((link) => heads.has(link.userId) && isDue(link));
  const kept = links.flatMap(({ userId, underWay }) => readUnderWay(underWay).map(([runId]) => ({ userId, runId })));
  const runs = groupBy(kept.length > 0 ? await log.readRuns(reading, kept) : [], ({ userId }) => userId);
  const after = links.map((link) => {
    const underWay = (runs.get(link.userId) ?? [])
      .filter(({ provider, finished }) => provider === link.provider && !finished)
      .map((run) => [run.runId, stallsAt(run)] as const)
      .filter(([, stalls]) => stalls > now);
    const stillUnderWay = underWay as unknown as ProviderLink['underWay']; // plain lists
    const anew = judged({ ...link, underWay: stillUnderWay }, now);
    return anew.health === link.health ? anew : { ...anew, change };
  });
  const changed = [...new Set(after.filter((link) => link.change === change).map(({ userId }) => userId))];
  const writes = [
    ...(after.length > 0 ? [connectionUpsert[kind](after)] : []),
    ...(changed.length > 0 ? noteChange[kind](changed, change) : []),
  ];
  return { answer: { count: after.length, changed }, writes };
}
