import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { migrate } from '../../src/db/migrations.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import { WakeUps } from '../../src/instances/wake-ups.ts';
import { defaultLimits } from '../../src/limits.ts';
import type { SyncEvent } from '../../src/log/event.ts';
import { openEventLog } from '../../src/log/event-log.ts';
import { matches, type SyncEventFilter } from '../../src/log/filter.ts';
import { LogReads } from '../../src/log/log-reads.ts';
import { filterBounds } from '../../src/log/read-filtered.ts';
import { readPages } from '../../src/log/read-pages.ts';
import { countRecorded } from '../../src/log/recorded-within.ts';
import { matchesRun, type SyncRunFilter } from '../../src/runs/run-filter.ts';
import { Runs } from '../../src/runs/runs.ts';
import { Users } from '../../src/users/users.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { mulberry32 } from '../support/seeded.ts';

const start = Date.UTC(2026, 2, 14);
const random = mulberry32(11);
const below = (most: number) => Math.floor(random() * most);
const one = <T>(all: readonly T[]) => all[below(all.length)] as T;
const maybe = <T>(chance: number, make: () => T) => (random() < chance ? make() : undefined);

const providers = ['oura', 'garmin', 'polar'];
const stages = ['queued', 'fetching', 'completed'];
const statuses = ['in_progress', 'IN_PROGRESS', 'success', 'stale'];
const scopes = [null, null, 'live', 'LIVE', 'historical', 'Historical', 'unheard of'];
const texts = [
  ...[
    'Fetching SLEEP',
    'fetched Sleep_1 100%',
    'HTTP 503: %s',
    'İstanbul ışık ISI',
    'Größe ẞ GRÖẞE',
    'ΣΊΣΥΦΟΣ σίσυφος',
  ],
  ...['Zoë', 'Zoe\u0308', 'ﬁle', 'Ａｂｃ', '🌙 Nacht', 'two\nlines', "it's", 'K\u212a', '\u0007', ' '],
];

describe.each([1_001, 10_000])('in a log of %i events', (count) => {
  let file: TestDatabase;
  let database: Database;
  let log: { userId: string; headSequence: number; tailSequence: number };
  let events: readonly SyncEvent[];
  const now = start + count * 2;

  beforeAll(async () => {
    file = await createDatabase();
    await migrate(file.url);
    database = await openDatabase(file.url);
    // A clock that stands for a while, and goes back now and then.
    let time = start;
    const clock = () => time;
    const [limits, onError] = [defaultLimits, () => {}];
    const { id: userId } = await new Users({ database, limits, clock, wakeUps: new WakeUps() }).upsert({});
    const written = openEventLog({ database, limits, clock, onError });
    for (let left = count; left > 0; left -= 250) {
      time += one([0, 1, 700, 700, -400]);
      await written.record(
        Array.from({ length: Math.min(left, 250) }, () => ({
          ...{ id: randomUUID(), userId, runId: `run_${below(count / 8)}`, provider: one(providers), source: 'pull' },
          ...{ stage: one(stages), status: one(statuses), timestamp: new Date(time - below(2_000)) },
          ...{ scope: one(scopes) },
          ...{ message: maybe(0.6, () => one(texts)), error: maybe(0.2, () => one(texts)) },
        })),
      );
    }
    log = { userId, headSequence: count, tailSequence: 1 };
    const pages = Array.from({ length: count / 1_000 + 1 }, (_, page) => ({
      ...{ log, after: page * 1_000, limit: 1_000, fromEnd: false },
    }));
    events = (await written.readPages(pages)).flat();
    expect(events).toHaveLength(count);
    await written.close();
  });
  afterAll(async () => {
    await database.close();
    await file.drop();
  });

  const someTime = () => one([new Date(start + below(count * 3)), one(events).recordedAt, one(events).timestamp]);
  /** A part of a text as it was written, or in one case. */
  const somePart = () => {
    const text = [...one([...texts, 'run_1', 'RUN_2'])];
    const part = text.slice(below(text.length), 1 + below(text.length)).join('') || text.join('');
    return one([part, part, part.toLowerCase(), part.toUpperCase(), part.normalize('NFD')]);
  };
  const told = () => ({
    search: maybe(0.4, () => somePart().trim() || 'nothing'),
    scopes: maybe(0.3, () => one([['live'], ['historical'], ['live', 'historical'], []])),
  });
  const times = () => ({
    since: maybe(0.3, someTime),
    until: maybe(0.3, someTime),
    recordedSince: maybe(0.3, someTime),
    recordedUntil: maybe(0.3, someTime),
  });

  test('statements let the events pass that a stream does, whatever is asked together and in pieces of any size', async () => {
    const requests = Array.from({ length: 150 }, () => ({
      log,
      filter: {
        ...times(),
        ...told(),
        runId: maybe(0.1, () => one(events).runId),
        providers: maybe(0.3, () => [one(providers)]),
        statuses: maybe(0.2, () => ['in_progress', 'success']),
      } satisfies SyncEventFilter,
      after: maybe(0.2, () => below(count)),
      before: maybe(0.2, () => below(count)),
      limit: 1 + below(60),
      fromEnd: random() < 0.5,
    }));
    const wanted = requests.map(({ filter, after = 0, before = count + 1, limit, fromEnd }) => {
      const all = events.filter((each) => each.sequence > after && each.sequence < before && matches(each, filter));
      return fromEnd ? all.slice(-limit) : all.slice(0, limit);
    });
    expect(new Set(wanted.map(({ length }) => Math.min(length, 9))).size).toBeGreaterThan(3);
    const reads = new LogReads(database);
    expect(await readPages(reads, requests)).toEqual(wanted);
    for (const size of [700, 7_000])
      expect(await readPages(reads, requests, { ...filterBounds, walked: size, weighed: size })).toEqual(wanted);
    const counts = await countRecorded(database, requests);
    for (const [index, { filter }] of requests.entries()) {
      const { recordedSince, recordedUntil } = filter;
      expect(counts[index]).toBe(events.filter((each) => matches(each, { recordedSince, recordedUntil })).length);
    }
    for (const [index, request] of requests.slice(0, 15).entries())
      expect(await readPages(reads, [request])).toEqual([wanted[index]]);
  });

  test('statements let the runs pass that a stream does, whatever is asked together and in pieces of any size', async () => {
    const all = await new Runs({ database }).list([
      { visible: { kind: 'all' }, filter: null, now, limit: count, fromEnd: false },
    ]);
    const runs = all.flat();
    expect(runs.length).toBeGreaterThan(100);
    const requests = Array.from({ length: 60 }, () => ({
      visible: { kind: 'all' } as const,
      filter: {
        ...times(),
        ...told(),
        userId: maybe(0.5, () => log.userId),
        providers: maybe(0.3, () => [one(providers)]),
        statuses: maybe(0.2, () => ['in_progress', 'success']),
        health: maybe(0.2, () => [one(['active', 'stalled', 'ended'] as const)]),
      } satisfies SyncRunFilter,
      now,
      after: maybe(0.2, () => one(runs)),
      limit: 1 + below(60),
      fromEnd: random() < 0.5,
    }));
    const wanted = requests.map(({ filter, after, limit, fromEnd }) => {
      const rest = after ? runs.slice(runs.indexOf(after) + 1) : runs;
      const found = rest.filter((run) => matchesRun(run, filter, now));
      return fromEnd ? found.slice(-limit) : found.slice(0, limit);
    });
    expect(new Set(wanted.map(({ length }) => Math.min(length, 9))).size).toBeGreaterThan(3);
    for (const walked of [2_000, 20_000]) expect(await new Runs({ database, walked }).list(requests)).toEqual(wanted);
  });
});
