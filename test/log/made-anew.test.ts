import { expect, onTestFinished, test } from 'vitest';
import { WakeUps } from '../../src/instances/wake-ups.ts';
import { defaultLimits } from '../../src/limits.ts';
import { openEventLog } from '../../src/log/event-log.ts';
import { Users } from '../../src/users/users.ts';
import { openAgain, openNewDatabase } from '../support/database.ts';

const limits = { ...defaultLimits, slowPollMs: 600_000 };
const said = { runId: 'r', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };

/** The log as one instance has it, which looks at nothing by itself, and another one that it hears nothing of. */
async function openTwo() {
  const { url, database } = await openNewDatabase();
  const elsewhere = await openAgain(url);
  const open = (of: typeof database) => {
    const log = openEventLog({
      database: of,
      limits,
      clock: Date.now,
      onError: (error) => expect.unreachable(String(error)),
    });
    onTestFinished(() => log.close());
    return log;
  };
  const users = new Users({ database: elsewhere, wakeUps: new WakeUps(), limits, clock: Date.now });
  return { log: open(database), other: open(elsewhere), users };
}

test.each([
  ['at the head', undefined],
  ['behind it', 0],
])(
  'simulation, seed 59: who follows a log %s is shown nothing of the one that is made anew under its id, unheard',
  async (_, after) => {
    const { log, other, users } = await openTwo();
    const { id: userId } = await users.upsert({});
    const events = (count: number) => Array.from({ length: count }, () => ({ ...said, userId }));
    await other.record(events(2));
    const follower = log.follow({ userId, after }, new AbortController().signal);
    expect((await follower.next()).value).toMatchObject({ cursor: 2 });
    await users.delete(userId);
    await users.upsert({ id: userId });
    await other.record(events(4));
    log.wakeUps.hear({ kind: 'grown', userId, head: 4, previousHead: 3 });
    expect(await follower.next()).toEqual({ done: true, value: undefined });
  },
);

test('simulation, seed 59: who reads behind the head of a log meets its end where it was made anew', async () => {
  const { log, other, users } = await openTwo();
  const { id: userId } = await users.upsert({});
  const record = async (count: number) => {
    for (let left = count; left > 0; left -= 100)
      await other.record(Array.from({ length: Math.min(left, 100) }, () => ({ ...said, userId })));
  };
  await record(500);
  const follower = log.follow({ userId, after: 0 }, new AbortController().signal);
  expect((await follower.next()).value).toMatchObject({ cursor: 200 });
  await users.delete(userId);
  await users.upsert({ id: userId });
  await record(500);
  expect(await follower.next()).toEqual({ done: true, value: undefined });
});
