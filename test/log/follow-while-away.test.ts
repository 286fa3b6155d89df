import { randomUUID } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../src/db/open-database.ts';
import { AppError } from '../../src/errors.ts';
import { defaultLimits } from '../../src/limits.ts';
import { openEventLog } from '../../src/log/event-log.ts';
import { openNewDatabase } from '../support/database.ts';

const wireEvent = { runId: 'r', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };
const theLog = [1, 2, 3].map((sequence) => ({ sequence }));

describe.each([
  ['it looks for its log', { after: 0 }, 1, { events: theLog, cursor: 3, reset: null }],
  ['it looks whether the log has its cursor', { after: 9 }, 2, { cursor: 3, reset: { reason: 'CURSOR_AHEAD' } }],
  ['it reads a page', { after: 0 }, 2, { events: theLog, cursor: 3, reset: null }],
] as const)('a follower from whom the database goes away when %s', (_, request, statement, step) => {
  /** A follower whose so many-eth statement has failed twice, and fails until `comeBack`. */
  async function followAway() {
    const { url } = await openNewDatabase();
    let statements = Number.NEGATIVE_INFINITY;
    let failures = 0;
    const database = await openDatabase(url, {
      observe() {
        statements += 1;
        if (statements < statement) return;
        failures += 1;
        throw new Error('Connection terminated unexpectedly');
      },
    });
    const log = openEventLog({
      database,
      limits: { ...defaultLimits, databaseRetryMs: 10 },
      clock: Date.now,
      onError: (error) => expect.unreachable(String(error)),
    });
    onTestFinished(async () => {
      await log.close();
      await database.close();
    });
    const userId = randomUUID();
    await database.transaction((transaction) => transaction.user.create({ data: { id: userId } }));
    await log.record(theLog.map(() => ({ ...wireEvent, userId })));
    const end = new AbortController();
    const follower = log.follow({ userId, ...request }, end.signal);
    statements = 0;
    const first = follower.next();
    first.catch(() => {});
    await expect.poll(() => failures).toBeGreaterThan(1);
    const comeBack = () => {
      statements = Number.NEGATIVE_INFINITY;
    };
    return { log, first, follower, end, comeBack };
  }

  test('waits for it, and goes on where it was', async () => {
    const { first, follower, comeBack } = await followAway();
    comeBack();
    expect((await first).value).toMatchObject(step);
    await follower.return();
  });

  test('ends while it waits, with its cursor, and leaves nothing behind', async () => {
    const { log, first, end } = await followAway();
    end.abort(new AppError('TOKEN_EXPIRED', 'The token has expired'));
    await expect(first).rejects.toMatchObject({
      code: 'TOKEN_EXPIRED',
      extensions: { cursor: String(request.after) },
    });
    expect(log.followedLogs).toBe(0);
  });
});
