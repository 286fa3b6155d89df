import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import WebSocket from 'ws';
import type { Database } from '../../src/db/database.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import { defaultLimits } from '../../src/limits.ts';
import { openEventLog } from '../../src/log/event-log.ts';
import { provider } from '../support/database.ts';
import { lazyTransports } from '../support/log-reader.ts';
import { second } from '../support/recording.ts';
import { type Headers, startServer, type TestServer } from '../support/server.ts';
import { plainSql } from '../support/sql.ts';
import { type StreamResult, streamTransports } from '../support/streams.ts';

interface Run {
  readonly runId: string;
  readonly user: { readonly id: string };
  readonly provider: string;
  readonly stage: string;
  readonly status: string;
  readonly isTerminal: boolean;
  readonly eventCount: number;
}

const runFields = 'runId user { id } provider stage status isTerminal eventCount';
const watchRuns = `subscription ($filter: SyncRunFilter) {
  syncRunChanges(filter: $filter) { began run { ${runFields} } }
}`;
const watchRunsOnly = `subscription ($filter: SyncRunFilter) { syncRuns(filter: $filter) { ${runFields} } }`;
const theSign = { data: { syncRunChanges: { began: true, run: null } } };
const waitingRows = 50;
const slowPollMs = 100;

let server: TestServer;
/** The statement that each look begins with. */
const takesSnapshot = /pg_current_snapshot|change \+ 1 AS "end"/;

let failing = false;
let looksFail = false;
let failedLooks = 0;
let searchesFail = false;
let failedSearches = 0;
let failedReads = 0;
let runReads = 0;
let looks = 0;

/** The log as an instance has it that wakes nobody here. @param around the database as that instance sees it */
async function openLogElsewhere({ clock = Date.now, around = (database: Database) => database } = {}) {
  const elsewhere = await openDatabase(server.databaseUrl);
  onTestFinished(() => elsewhere.close());
  const onError = (error: unknown) => expect.unreachable(String(error));
  const log = openEventLog({ database: around(elsewhere), limits: defaultLimits, clock, onError });
  onTestFinished(() => log.close());
  return log;
}

beforeAll(async () => {
  server = await startServer({
    limits: { waitingRows, slowPollMs, databaseRetryMs: 50 },
    onStatement({ sql }) {
      if (takesSnapshot.test(sql)) {
        looks += 1;
        if (!looksFail) return;
        failedLooks += 1;
        throw new Error('The disk is gone');
      }
      if (searchesFail && /FROM sync_run WHERE .*change/.test(plainSql(sql))) {
        failedSearches += 1;
        throw new Error('The disk is gone');
      }
      if (!/last_sequence > /.test(plainSql(sql))) return;
      runReads += 1;
      if (!failing) return;
      failedReads += 1;
      throw new Error('The disk is gone');
    },
  });
});
afterAll(() => server.close());

const succeeded = { stage: 'COMPLETED', status: 'SUCCESS' };

describe.each(Object.entries(streamTransports))('runs watched over %s', (name, openStream) => {
  /** Watches runs, from the sign that the stream has begun. */
  async function watch({
    filter = {},
    headers = server.admin,
    open = openStream,
    query = watchRuns,
  }: Partial<WatchOptions> = {}) {
    const stream = await open(server.url, { query, variables: { filter }, headers });
    onTestFinished(() => stream.close());
    expect(await stream.next()).toMatchObject(theSign);
    return {
      async next(): Promise<Run> {
        const result = await stream.next();
        if (!result?.data) throw new Error(result?.errors?.[0]?.message ?? 'The stream is complete');
        expect(result.data.syncRunChanges.began).toBe(false);
        return result.data.syncRunChanges.run;
      },
      result: () => stream.next(),
      close: () => stream.close(),
    };
  }

  interface WatchOptions {
    readonly filter: object;
    readonly headers: Headers;
    readonly open: typeof openStream;
    readonly query: string;
  }

  test('the sign comes once no later change can escape, and before every run', async () => {
    const userId = await server.user();
    const before = failedLooks;
    looksFail = true;
    onTestFinished(() => {
      looksFail = false;
    });
    const stream = await openStream(server.url, {
      query: watchRuns,
      variables: { filter: { userId } },
      headers: server.admin,
    });
    onTestFinished(() => stream.close());
    const results: StreamResult[] = [];
    const reading = (async () => {
      for (let result = await stream.next(); result; result = await stream.next()) results.push(result);
    })().catch(() => {});
    await expect.poll(() => failedLooks).toBeGreaterThan(before + 1);
    await server.record({ userId, runId: 'before' });
    await expect.poll(() => failedLooks).toBeGreaterThan(before + 3);
    expect(results).toEqual([]);
    looksFail = false;
    await expect.poll(() => results.length).toBe(2);
    expect(results).toMatchObject([theSign, { data: { syncRunChanges: { began: false, run: { runId: 'before' } } } }]);
    await stream.close();
    await reading;
  });

  test('what is committed after the sign is shown, although no wake-up tells of it', async () => {
    const userId = await server.user();
    const log = await openLogElsewhere();
    const event = { userId, provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };
    const early = await watch({ filter: { userId } });
    await log.record([{ ...event, runId: 'a' }]);
    expect(await early.next()).toMatchObject({ runId: 'a' });
    const late = await watch({ filter: { userId } });
    await log.record([{ ...event, runId: 'b' }]);
    for (const runs of [early, late]) expect(await runs.next()).toMatchObject({ runId: 'b' });
  });

  test.each([
    ['whose clock is an hour behind', -3_600_000],
    ['whose clock is an hour ahead', 3_600_000],
  ])('what an instance records %s is shown, although no wake-up tells of it', async (_, aheadMs) => {
    const userId = await server.user();
    const log = await openLogElsewhere({ clock: () => Date.now() + aheadMs });
    const event = { userId, provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };
    const runs = await watch({ filter: { userId } });
    for (const runId of ['a', 'b', 'a']) {
      await log.record([{ ...event, runId }]);
      expect(await runs.next()).toMatchObject({ runId });
    }
  });

  test('what is committed long after it was written is shown, although no wake-up tells of it', async () => {
    const userId = await server.user();
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slowly = (database: Database): Database => ({
      ...database,
      change: (decide) =>
        database.change(async (reading) => {
          const decision = await decide(reading); // has locked, and so got its number
          await held;
          return decision;
        }),
    });
    const log = await openLogElsewhere({ around: slowly });
    const event = { userId, provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };
    const runs = await watch({ filter: { userId } });
    const recorded = log.record([{ ...event, runId: 'slow' }]);
    if (provider === 'postgresql') {
      // Another user's events get ahead of it.
      await server.record({ userId: await server.user() });
    }
    const before = looks;
    await expect.poll(() => looks).toBeGreaterThan(before + 2);
    release();
    await recorded;
    expect(await runs.next()).toMatchObject({ runId: 'slow' });
  });

  test('`syncRuns` shows the same runs, without the sign', async () => {
    const userId = await server.user();
    const runs = await watch({ filter: { userId } });
    const variables = { filter: { userId } };
    const stream = await openStream(server.url, { query: watchRunsOnly, variables, headers: server.admin });
    onTestFinished(() => stream.close());
    let heard: StreamResult | undefined;
    const first = stream.next().then((result) => {
      heard = result;
    });
    let recorded = 0;
    for (; !heard; recorded += 1) await server.record({ userId, runId: 'a' }); // nothing tells when it has begun
    await first;
    const counted = (run: Run) => run.eventCount === recorded;
    let last: Run = heard.data.syncRuns;
    while (!counted(last)) last = (await stream.next())?.data.syncRuns;
    let same = await runs.next();
    while (!counted(same)) same = await runs.next();
    expect(last).toEqual(same);
  });

  test('each change of a summary arrives, from the first event to those that come too late', async () => {
    const userId = await server.user();
    const runs = await watch({ filter: { userId } });
    const steps: [event: object, run: object][] = [
      [{ stage: 'STARTED' }, { stage: 'STARTED', status: 'IN_PROGRESS', isTerminal: false, eventCount: 1 }],
      [{ stage: 'FETCHING' }, { stage: 'FETCHING', status: 'IN_PROGRESS', isTerminal: false, eventCount: 2 }],
      [succeeded, { ...succeeded, isTerminal: true, eventCount: 3 }],
      [
        { stage: 'SAVING', timestamp: second(0) },
        { ...succeeded, isTerminal: true, eventCount: 4 },
      ],
      [{ stage: 'STARTED' }, { stage: 'STARTED', status: 'IN_PROGRESS', isTerminal: false, eventCount: 5 }],
    ];
    for (const [event, run] of steps) {
      await server.record({ userId, runId: 'a', ...event });
      expect(await runs.next()).toMatchObject({ runId: 'a', user: { id: userId }, ...run });
    }
  });

  test('a batch shows each of its runs as the whole batch leaves it', async () => {
    const [userId, other] = [await server.user(), await server.user()];
    const runs = await watch();
    await server.record(
      { userId, runId: 'a' },
      { userId, runId: 'b' },
      { userId: other, runId: 'a' },
      { userId, runId: 'a', ...succeeded },
    );
    const shown = [await runs.next(), await runs.next(), await runs.next()];
    const summaries = shown.map(({ runId, user, eventCount }) => [user.id, runId, eventCount]);
    expect(summaries.sort()).toEqual(
      [
        [userId, 'a', 2],
        [userId, 'b', 1],
        [other, 'a', 1],
      ].sort(),
    );
  });

  test('a filter lets through the states that match all of its parts', async () => {
    const [userId, other] = [await server.user(), await server.user()];
    const byUser = await watch({ filter: { userId } });
    const byWords = await watch({
      filter: { providers: ['garmin', 'polar'], statuses: ['SUCCESS'], sources: ['PULL'] },
    });
    await server.record({ userId: other, runId: 'theirs' }, { userId: other, runId: 'theirs', ...succeeded });
    await server.record({ userId, runId: 'webhook', provider: 'garmin', source: 'WEBHOOK', ...succeeded });
    await server.record({ userId, runId: 'oura', provider: 'oura', ...succeeded });
    await server.record({ userId, runId: 'a', provider: 'polar' });
    await server.record({ userId, runId: 'a', provider: 'polar', ...succeeded });
    const ofUser: string[] = [];
    while (!ofUser.includes('a SUCCESS')) {
      const { runId, status } = await byUser.next();
      ofUser.push(`${runId} ${status}`);
    }
    expect(ofUser.filter((run) => run !== 'a IN_PROGRESS')).toEqual(['webhook SUCCESS', 'oura SUCCESS', 'a SUCCESS']);
    expect(await byWords.next()).toMatchObject({ runId: 'a', provider: 'polar', status: 'SUCCESS' });
  });

  test('a user token shows the runs of its user, whatever the filter asks for', async () => {
    const [userId, other] = [await server.user(), await server.user()];
    const headers = await server.userToken(userId);
    const own = await watch({ headers });
    const foreign = await openStream(server.url, {
      query: watchRuns,
      variables: { filter: { userId: other } },
      headers,
    });
    expect(await foreign.next()).toMatchObject(theSign);
    const seen: StreamResult[] = [];
    const reading = foreign.next().then((result) => result && seen.push(result));
    await server.record({ userId: other, runId: 'theirs' });
    await server.record({ userId, runId: 'mine' });
    expect(await own.next()).toMatchObject({ runId: 'mine', user: { id: userId } });
    expect(seen).toEqual([]);
    await foreign.close();
    await reading.catch(() => {});
  });

  test('a client without a credential, or without the scope `read`, is refused', async () => {
    const refusals: [Headers, string][] = [
      [{}, 'UNAUTHENTICATED'],
      [await server.key('write'), 'FORBIDDEN'],
    ];
    for (const [headers, code] of refusals) {
      for (const query of [watchRuns, watchRunsOnly]) {
        const stream = await openStream(server.url, { query, headers });
        expect(await stream.next()).toMatchObject({ errors: [{ extensions: { code } }] });
        await stream.close();
      }
    }
  });

  test('a token that expires ends the stream with TOKEN_EXPIRED', async () => {
    const userId = await server.user();
    const runs = await watch({ headers: await server.userToken(userId, 2) });
    expect(await runs.result()).toMatchObject({ errors: [{ extensions: { code: 'TOKEN_EXPIRED' } }] });
  });

  test('a slow reader misses states between, and gets the newest state of every run', async () => {
    const [runCount, rounds] = [20, 30];
    const userId = await server.user();
    const open = lazyTransports[name as keyof typeof lazyTransports];
    const query = watchRuns.replace('runId', 'runId error again: error more: error evenMore: error');
    const runs = await watch({ filter: { userId }, open, query });
    for (let round = 0; round < rounds; round += 1) {
      const events = Array.from({ length: runCount }, (_, run) => ({ userId, runId: `run-${run}` }));
      await server.record(...events.map((event) => ({ ...event, error: 'x'.repeat(16_000) })));
    }
    const newest = new Map<string, number>();
    let results = 0;
    while (newest.size < runCount || Math.min(...newest.values()) < rounds) {
      const { runId, eventCount } = await runs.next();
      expect(eventCount).toBeGreaterThan(newest.get(runId) ?? 0);
      newest.set(runId, eventCount);
      results += 1;
    }
    expect(results).toBeLessThan((runCount * rounds) / 2);
  });

  test('a reader that too many changed runs wait for is told that it is too slow', async () => {
    const userId = await server.user();
    const runs = await watch({ filter: { userId } });
    const batch = (count: number) => Array.from({ length: count }, (_, run) => ({ userId, runId: `run-${run}` }));
    await server.record(...batch(waitingRows));
    for (let run = 0; run < waitingRows; run += 1) await runs.next();
    await server.record(...batch(waitingRows + 1));
    expect(await runs.result()).toMatchObject({ errors: [{ extensions: { code: 'SLOW_CONSUMER' } }] });
  });

  test('a change that could not be read is read again', async () => {
    const userId = await server.user();
    const runs = await watch({ filter: { userId } });
    /** Records while runs cannot be read, until that was tried for a wake-up, and for a look. */
    const recordUnread = async (...events: Parameters<typeof server.record>) => {
      const before = failedReads;
      failing = true;
      await server.record(...events);
      await expect.poll(() => failedReads).toBeGreaterThan(before + 1);
      failing = false;
    };

    await recordUnread({ userId, runId: 'a' }, { userId, runId: 'b' });
    await server.record({ userId, runId: 'b', ...succeeded });
    const seen = new Map<string, string>();
    while (!(seen.has('a') && seen.get('b') === 'SUCCESS')) {
      const { runId, status } = await runs.next();
      seen.set(runId, status);
    }
    expect(Object.fromEntries(seen)).toEqual({ a: 'IN_PROGRESS', b: 'SUCCESS' });

    await recordUnread({ userId, runId: 'a', ...succeeded }); // nothing else happens
    expect(await runs.next()).toMatchObject({ runId: 'a', status: 'SUCCESS' });
  });

  test('nothing is read for those who have left', async () => {
    const userId = await server.user();
    const runs = await watch({ filter: { userId } });
    await server.record({ userId });
    await runs.next();
    await runs.close();
    /** How many looks there are in a time that would bring three. */
    const looksIn = async (ms = 3 * slowPollMs) => {
      const before = looks;
      await wait(ms);
      return looks - before;
    };
    await expect.poll(looksIn).toBe(0);
    const before = runReads;
    for (let round = 0; round < 3; round += 1) await server.record({ userId });
    expect(await looksIn()).toBe(0);
    expect(runReads).toBe(before);
  });
});

test('a look that fails half way finds later what it has not told of', async () => {
  const userId = await server.user();
  const log = await openLogElsewhere();
  const leaving = new AbortController();
  onTestFinished(() => leaving.abort());
  const runs = server.app.services.runChanges.follow({ wants: (run) => run.userId === userId }, leaving.signal);
  expect((await runs.next()).value).toEqual({ kind: 'began' });
  const next = runs.next();
  searchesFail = true;
  onTestFinished(() => {
    searchesFail = false;
  });
  await log.record([
    { userId, runId: 'a', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' },
  ]);
  const before = failedSearches;
  await expect.poll(() => failedSearches).toBeGreaterThan(before + 1);
  searchesFail = false;
  expect((await next).value).toMatchObject({ kind: 'changed', row: { runId: 'a' } });
});

test('pages of runs that change meanwhile hold all others once, and the stream has those', async () => {
  const userId = await server.user();
  const time = (seconds: number) => new Date(Date.UTC(2026, 2, 14) + seconds * 1000).toISOString();
  const ids = Array.from({ length: 40 }, (_, run) => `run_${run}`);
  await server.record(...ids.map((runId, n) => ({ userId, runId, timestamp: time(n) })));
  const stop = new AbortController();
  const changes = server.app.services.runChanges.follow({ wants: (run) => run.userId === userId }, stop.signal);
  expect((await changes.next()).value).toEqual({ kind: 'began' });
  const streamed: string[] = [];
  const watching = (async () => {
    for await (const change of changes) if (change.kind === 'changed') streamed.push(change.row.runId);
  })();

  const listed: string[] = [];
  const changed: string[] = [];
  for (let after: string | null = null, more = true; more; ) {
    const { data } = await server.graphql(
      `query ($userId: UUID!, $after: String) {
        syncRuns(first: 7, after: $after, filter: { userId: $userId }) {
          edges { node { runId } } pageInfo { hasNextPage endCursor }
        }
      }`,
      { userId, after },
    );
    const { edges, pageInfo } = data.syncRuns;
    listed.push(...edges.map(({ node }: { node: Run }) => node.runId));
    after = pageInfo.endCursor;
    more = pageInfo.hasNextPage;
    // One that is still to come moves to the beginning, one that was listed to the middle, and one ends.
    const next = ids.filter((runId) => !listed.includes(runId) && !changed.includes(runId)).at(-1);
    const [seen = ''] = listed.slice(-3);
    const moves = [
      { runId: seen, timestamp: time(1) },
      ...(next ? [{ runId: next, timestamp: time(100), ...succeeded }] : []),
    ];
    await server.record(...moves.map((move) => ({ userId, ...move })));
    changed.push(...moves.map(({ runId }) => runId));
  }
  const steady = ids.filter((runId) => !changed.includes(runId));
  expect(steady.length).toBeGreaterThan(20);
  expect(listed.filter((runId) => steady.includes(runId))).toEqual(steady.toReversed());
  await expect.poll(() => changed.filter((runId) => !streamed.includes(runId))).toEqual([]);
  stop.abort();
  await watching;
});

test('of the runs that wait for a reader each comes in its turn and newest state, also one that never rests', async () => {
  const userId = await server.user();
  const stop = new AbortController();
  let newest = '';
  const wants = (run: { userId: string; runId: string; eventCount: number }) => {
    if (run.userId !== userId) return false;
    newest = `${run.runId} ${run.eventCount}`; // joins those that wait
    return true;
  };
  const changes = server.app.services.runChanges.follow({ wants }, stop.signal);
  const told = async () => {
    const { value } = await changes.next();
    return value?.kind === 'changed' ? `${value.row.runId} ${value.row.eventCount}` : value?.kind;
  };
  expect(await told()).toBe('began');
  const change = async (runId: string, count: number) => {
    await server.record({ userId, runId });
    await expect.poll(() => newest).toBe(`${runId} ${count}`);
  };
  await change('restless', 1);
  for (const runId of ['a', 'b', 'c']) await change(runId, 1);
  await change('restless', 2);
  expect(await told()).toBe('restless 2');
  await change('restless', 3);
  expect([await told(), await told()]).toEqual(['a 1', 'b 1']);
  await change('restless', 4);
  expect([await told(), await told()]).toEqual(['c 1', 'restless 4']);
  stop.abort();
  expect(await told()).toBeUndefined();
});

test('a change of which nobody told is found, and looking for it costs what has changed', async () => {
  const looks: number[] = [];
  const others: string[] = [];
  const watched = await startServer({
    limits: { slowPollMs: 50, judgingPauseMs: 3_600_000 },
    onStatement({ sql, rows }) {
      if (/FROM sync_run WHERE .*change/.test(plainSql(sql))) looks.push(rows);
      else if (looks.length > 0 && !takesSnapshot.test(sql)) others.push(sql);
    },
  });
  onTestFinished(() => watched.close());
  const users = await Promise.all(Array.from({ length: 30 }, () => watched.user()));
  for (const userId of users)
    await watched.record(...Array.from({ length: 100 }, (_, run) => ({ userId, runId: `run_${run}` })));

  const stop = new AbortController();
  const runs = watched.app.services.runChanges.follow({ wants: () => true }, stop.signal);
  expect((await runs.next()).value).toEqual({ kind: 'began' });
  const first = runs.next();
  await expect.poll(() => looks.length).toBeGreaterThan(3);
  // Thousands of runs, and each look is two small statements, the second of which finds none of them.
  expect({ found: new Set(looks), others }).toEqual({ found: new Set([0]), others: [] });

  const onError = (error: unknown) => expect.unreachable(String(error));
  const elsewhere = await openDatabase(watched.databaseUrl);
  const log = openEventLog({ database: elsewhere, limits: defaultLimits, clock: Date.now, onError });
  const [userId = ''] = users;
  const event = { userId, runId: 'run_7', provider: 'oura', source: 'pull', stage: 'completed', status: 'success' };
  await log.record([event]);
  expect((await first).value).toMatchObject({ row: { userId, runId: 'run_7', status: 'success', eventCount: 2 } });
  const second = runs.next();
  const before = looks.length;
  await expect.poll(() => looks.length).toBeGreaterThan(before + 2);
  await log.record([{ ...event, runId: 'run_8' }]);
  expect((await second).value).toMatchObject({ row: { runId: 'run_8' } });
  expect(Math.max(...looks)).toBeLessThanOrEqual(2);
  stop.abort();
  await runs.return();
  await log.close();
  await elsewhere.close();
});

test('nothing arrives after a client has unsubscribed, while other streams of its socket go on', async () => {
  const userId = await server.user();
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  onTestFinished(() => socket.terminate());
  const messages: { id?: string; type: string }[] = [];
  socket.on('message', (text) => messages.push(JSON.parse(String(text))));
  const send = (message: object) => socket.send(JSON.stringify(message));
  const results = (id: string) => messages.filter((message) => message.id === id && message.type === 'next').length;
  await new Promise((resolve) => socket.once('open', resolve));
  send({ type: 'connection_init', payload: server.admin });
  await expect.poll(() => messages.length).toBe(1);
  for (const id of ['leaves', 'stays']) send({ id, type: 'subscribe', payload: { query: watchRuns } });
  await expect.poll(() => [results('leaves'), results('stays')]).toEqual([1, 1]); // the signs

  send({ id: 'leaves', type: 'complete' });
  send({ type: 'ping' });
  await expect.poll(() => messages.some(({ type }) => type === 'pong')).toBe(true);
  const before = { leaves: results('leaves'), stays: results('stays') };
  for (let event = 0; event < 3; event += 1) await server.record({ userId, runId: `after-${event}` });
  await expect.poll(() => results('stays')).toBeGreaterThanOrEqual(before.stays + 3);
  expect(results('leaves')).toBe(before.leaves);
});
