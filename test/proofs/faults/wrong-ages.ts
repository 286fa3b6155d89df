import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { pino } from 'pino';
import { createApp } from '../../../src/app.ts';
import { parseConfig } from '../../../src/config.ts';
import { openDatabase } from '../../../src/db/open-database.ts';
import { defaultLimits } from '../../../src/limits.ts';
import { clockApart } from '../../support/clock-apart.ts';
import { createDatabase } from '../../support/database.ts';
import { readLog, toStep } from '../../support/log-reader.ts';
import { jwtSecret } from '../../support/server.ts';
import { type ServerProcess, startProcess } from '../../support/server-process.ts';
import { streamTransports } from '../../support/streams.ts';
import type { Postgres } from './fleet.ts';
import type { Line } from './promises.ts';
import type { Sizes } from './sizes.ts';

const DAY = 86_400_000;
/** Longer than events are kept. */
const A_MONTH = 31 * DAY;
/** How long a sweep may take to be seen. */
const SWEEP_MS = 60_000;

const anEvent = { runId: 'r', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };

/** Rows that each transaction removes: what retention holds locked at once. */
const countRemoved = `
  CREATE TABLE removed (transaction xid8, events int);
  CREATE FUNCTION count_removed() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO removed SELECT pg_current_xact_id(), count(*) FROM gone; RETURN NULL; END';
  CREATE TRIGGER count_removed AFTER DELETE ON sync_event REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION count_removed();`;

/**
 * Retention by processes whose clocks are a month ahead, or behind. On Postgres only what is old by the database's clock
 * goes, in batches; on SQLite, which has no clock but the machine's, nothing goes by a clock that has jumped.
 */
export async function proveAges({
  postgres,
  sizes,
}: {
  readonly postgres: Postgres;
  readonly sizes: Sizes;
}): Promise<Line> {
  const wrong: string[] = [];
  const databaseUrl = await postgres.createDatabase('ages');
  const query = (sql: string) => postgres.query(sql, [], 'ages');
  const userId = await recordAged(databaseUrl, sizes.aged);
  const swept = async () => (await query('SELECT believed_at::text AS at FROM log_state'))[0]?.at;
  const before = await swept();
  const shared = await startApart(databaseUrl, A_MONTH);
  await until(async () => (await swept()) !== before);
  const today = (await query('SELECT count(*)::int AS n FROM sync_event'))[0].n;

  await query(countRemoved);
  const old = sizes.aged - defaultLimits.retainedEvents - 100;
  const earlier = (column: string) => `${column} = ${column} - interval '40 days'`;
  await query(`UPDATE sync_event SET ${earlier('recorded_at')}, ${earlier('timestamp')} WHERE sequence <= ${old}`);
  await shared.end('SIGTERM');
  await shared.start(clockApart(-A_MONTH));
  const left = async () => (await query('SELECT count(*)::int AS n FROM sync_event'))[0].n;
  await until(async () => (await left()) <= sizes.aged - old);
  await wait(500); // in which nothing more goes
  const kept = await left();
  const [{ largest }] = await query(
    'SELECT coalesce(max(events), 0)::int AS largest FROM (SELECT sum(events) AS events FROM removed GROUP BY transaction) batch',
  );
  if (kept !== sizes.aged - old) wrong.push(`${kept} events are left of ${sizes.aged - old}`);
  if (largest > defaultLimits.retentionBatch) wrong.push(`${largest} events went in one transaction`);
  const reset = await resetOf(shared, userId);
  if (reset !== `CURSOR_EXPIRED ${old + 1}`) wrong.push(`a cursor that is too old is answered with ${reset}`);
  await shared.remove();

  const { url, drop } = await createDatabase();
  await recordAged(url, sizes.aged);
  const alone = await startApart(url, A_MONTH);
  const file = await openDatabase(url);
  await until(async () => (await file.reader.logState.findFirst())?.doubtedSince != null);
  const doubted = await file.reader.syncEvent.count();
  await file.close();
  await alone.remove();
  await drop();
  return {
    promise: 'retention by processes whose clocks are a month ahead or behind',
    outcome: {
      faults: 3,
      cuts: 0,
      acknowledged: 2 * sizes.aged,
      sessions: 0,
      seen: today + doubted,
      missing: 2 * sizes.aged - today - doubted,
      duplicated: 0,
      outOfOrder: 0,
      worstCatchUpMs: 0,
      wrong,
    },
    more: { 'old by the database': old, removed: sizes.aged - kept, 'largest batch': largest },
  };
}

/** Records so many events of a user, by a process whose clock is right. */
async function recordAged(databaseUrl: string, count: number): Promise<string> {
  const config = parseConfig({ PORT: '0', DATABASE_URL: databaseUrl, JWT_SECRET: jwtSecret });
  const app = await createApp(config, { logger: pino({ level: 'silent' }) });
  const userId = randomUUID();
  await app.services.users.upsert({ id: userId });
  for (let left = count; left > 0; left -= 100)
    await app.services.log.record(Array.from({ length: Math.min(100, left) }, () => ({ ...anEvent, userId })));
  await app.close();
  return userId;
}

function startApart(databaseUrl: string, aheadMs: number): Promise<ServerProcess> {
  return startProcess({ DATABASE_URL: databaseUrl, LOG_LEVEL: 'silent', ...clockApart(aheadMs) });
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let waited = 0; !(await holds()) && waited < SWEEP_MS; waited += 50) await wait(50);
}

/** What a reader is told first who comes with the oldest cursor. */
async function resetOf({ url, headers }: ServerProcess, userId: string): Promise<string> {
  const stream = await streamTransports.sse(url, { query: readLog, variables: { userId, after: '0' }, headers });
  const result = await stream.next();
  await stream.close();
  const reset = result && toStep(result).reset;
  return `${reset?.reason} ${Number(reset?.oldestCursor)}`;
}
