import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { createOnServer, startPostgres } from '../../prisma/scratch-postgres.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import { defaultLimits } from '../../src/limits.ts';
import { openEventLog } from '../../src/log/event-log.ts';
import { startServer } from '../support/server.ts';

/** Takes numbers of transactions, as anything else on the server does. */
async function takeTransactions(url: string, count: number): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  for (let taken = 0; taken < count; taken += 1) await client.query('SELECT pg_current_xact_id()');
  await client.end();
}

test.each([
  ['numbers its transactions from before', 0],
  ['has numbered more transactions since', 400],
])(
  'a run that changes right after a lagging replica has taken over, which %s, is told',
  async (_, later) => {
    const postgres = await startPostgres();
    onTestFinished(() => postgres.stop());
    const { url } = await createOnServer(postgres.url);
    const limits = { slowPollMs: 300, databaseRetryMs: 2_000 };
    const server = await startServer({ database: { url, drop: async () => {} }, limits });
    onTestFinished(() => server.close());
    const userId = await server.user();
    await server.record({ userId, runId: 'before' });
    const copy = `${postgres.dataFolder}-replica`;
    await postgres.pause();
    execFileSync('cp', ['-a', postgres.dataFolder, copy]);
    await postgres.resume();

    await takeTransactions(url, 200);
    const stop = new AbortController();
    const runs = server.app.services.runChanges.follow({ wants: () => true }, stop.signal);
    onTestFinished(async () => {
      stop.abort();
      await runs.return();
    });
    expect((await runs.next()).value).toEqual({ kind: 'began' });
    const next = runs.next();
    await postgres.pause();
    rmSync(postgres.dataFolder, { recursive: true });
    execFileSync('mv', [copy, postgres.dataFolder]);
    await postgres.resume();

    // Another instance, of which no wake-up comes.
    const database = await openDatabase(url);
    const log = openEventLog({ database, limits: defaultLimits, clock: Date.now, onError: () => {} });
    const event = { provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };
    await log.record([{ ...event, userId, runId: 'after' }]);
    await log.close();
    await database.close();
    await takeTransactions(url, later);
    const told = [];
    for (let each = await next; each.value?.kind === 'changed'; each = await runs.next()) {
      told.push(each.value.row.runId);
      if (each.value.row.runId === 'after') break;
    }
    expect(told).toContain('after');
  },
  60_000,
);
