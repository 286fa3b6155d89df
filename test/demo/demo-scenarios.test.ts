import { readFileSync } from 'node:fs';
import { setTimeout as realSleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { history } from '../../src/demo/history.ts';
import { type LiveOptions, live } from '../../src/demo/live.ts';
import { demoPeople, type Person } from '../../src/demo/people.ts';
import type { Json } from '../../src/lib/json.ts';
import { defaultLimits } from '../../src/limits.ts';
import type { EventDraft } from '../../src/log/event.ts';
import { isTerminal, sourceWords, stageWords, statusWords } from '../../src/log/words.ts';
import { mulberry32 } from '../support/seeded.ts';

const now = new Date('2026-05-20T14:30:00.000Z');
const terminalStatuses = statusWords.filter(isTerminal);
const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const past = history(demoPeople, { now, random: mulberry32(1) });
const { drafts: present, pauses } = await playLive(3_000);

describe('the people of the demo', () => {
  test('have ids, e-mail addresses and external ids of their own, within the bounds of a user', () => {
    for (const field of ['id', 'email', 'externalUserId'] as const) {
      expect(new Set(demoPeople.map((person) => person[field])).size).toBe(demoPeople.length);
    }
    for (const person of demoPeople) {
      expect(person.id).toMatch(uuidPattern);
      expect(person.email).toMatch(/^[a-z.]+@example\.com$/);
      for (const text of [person.externalUserId, person.firstName, person.lastName]) {
        expect(text.length).toBeLessThanOrEqual(defaultLimits.userFieldLength);
      }
    }
  });
});

describe.each([
  { name: 'the history', drafts: past },
  { name: 'the live demo', drafts: present },
])('$name', ({ drafts }) => {
  test('has every source', () => {
    expect(distinct(drafts, 'source')).toEqual([...sourceWords].sort());
  });

  test('has runs that end in every way, and at least one that never ends', () => {
    for (const status of terminalStatuses) {
      expect(drafts.some((draft) => draft.status === status)).toBe(true);
    }
    const minuteBeforeTheEnd = (drafts.at(-1)?.timestamp?.getTime() ?? 0) - 60_000;
    const silent = runsOf(drafts).filter((run) => {
      const last = run.at(-1);
      return last?.status === 'in_progress' && (last.timestamp?.getTime() ?? 0) < minuteBeforeTheEnd;
    });
    expect(silent.length).toBeGreaterThan(0);
  });

  test('reports nothing of a run after its end', () => {
    for (const run of runsOf(drafts)) {
      expect(run.slice(0, -1).filter(({ status }) => isTerminal(status))).toEqual([]);
    }
  });

  test('never takes progress or counted items of a run back', () => {
    for (const run of runsOf(drafts)) {
      for (const field of ['progress', 'itemsProcessed'] as const) {
        const reported = run.flatMap((draft) => draft[field] ?? []);
        expect(reported).toEqual([...reported].sort((one, other) => one - other));
      }
    }
  });

  test('is about its people only, each event with an id of its own', () => {
    expect(distinct(drafts, 'userId')).toEqual(demoPeople.map(({ id }) => id).sort());
    expect(new Set(drafts.map(({ id }) => id)).size).toBe(drafts.length);
  });

  test('keeps every bound of an event', () => {
    expect(drafts.flatMap(violations)).toEqual([]);
  });
});

describe('the history', () => {
  test('depends on its arguments alone', () => {
    expect(history(demoPeople, { now, random: mulberry32(1) })).toEqual(past);
    expect(history(demoPeople, { now, random: mulberry32(2) })).not.toEqual(past);
  });

  test('is told in the order of time, over three weeks that end now', () => {
    const times = past.map(({ timestamp }) => timestamp?.getTime() ?? Number.NaN);
    expect(times).toEqual([...times].sort((one, other) => one - other));
    expect(times[0]).toBeGreaterThanOrEqual(now.getTime() - 21 * 86_400_000);
    expect(times.at(-1)).toBeLessThanOrEqual(now.getTime());
    expect(times.at(-1)).toBeGreaterThan(now.getTime() - 2 * 3_600_000);
  });

  test('loads in seconds: some thousands of events', () => {
    expect(past.length).toBeGreaterThan(5_000);
    expect(past.length).toBeLessThan(12_000);
  });

  test('interleaves the runs of different users', () => {
    const changes = past.filter((draft, index) => index > 0 && draft.userId !== past[index - 1]?.userId);
    expect(changes.length).toBeGreaterThan(past.length / 10);
  });

  test('begins with the historical sync of whoever has something to sync', () => {
    for (const userId of distinct(past, 'userId')) {
      const ofUser = past.filter((draft) => draft.userId === userId);
      expect(['backfill', 'linked_account', 'xml_import', 'sdk']).toContain(ofUser[0]?.source);
    }
  });

  test('shows an expired token as an unbroken streak of failures that lasts until now', () => {
    const { person, provider } = troubled('expired_token');
    const endings = past.filter((draft) => draft.userId === person.id && draft.provider === provider && draft.endedAt);
    expect(endings.slice(-20).map(({ status }) => status)).toEqual(Array(20).fill('failed'));
    expect(endings[0]?.status).toBe('success');
  });

  test('has a user whose syncs succeed without any data', () => {
    const { person } = troubled('no_data');
    const endings = past.filter((draft) => draft.userId === person.id && draft.endedAt);
    expect(new Set(endings.map(({ status, itemsProcessed }) => `${status} ${itemsProcessed}`))).toEqual(
      new Set(['success 0']),
    );
  });

  test('has a provider that has not been heard of for two days, and one that only failed once', () => {
    const ofTrouble = (kind: 'gone_silent' | 'just_connected') => {
      const { person, provider } = troubled(kind);
      return past.filter((draft) => draft.userId === person.id && draft.provider === provider);
    };
    const silent = ofTrouble('gone_silent');
    expect(silent.length).toBeGreaterThan(100);
    expect(silent.at(-1)?.timestamp?.getTime()).toBeLessThan(now.getTime() - 47 * 3_600_000);
    expect(ofTrouble('just_connected').map(({ status }) => status)).toEqual(['in_progress', 'in_progress', 'failed']);
  });

  test.each([
    { kind: 'lost_backfill', last: 'in_progress' },
    { kind: 'cancelled_backfill', last: 'cancelled' },
  ] as const)('has exactly one $kind', ({ kind, last }) => {
    const { person } = troubled(kind);
    const found = runsOf(past).filter((run) => run[0]?.source === 'backfill' && run.at(-1)?.status === last);
    expect(found.map((run) => run[0]?.userId)).toEqual([person.id]);
  });
});

describe('the live demo', () => {
  test('has its first event before any waiting', async () => {
    const events = live(demoPeople, { ...options(), sleep: () => new Promise(() => {}) });
    expect((await events.next()).done).toBe(false);
  });

  test('pauses 0.3 to 1 second between events', () => {
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(300);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(1_000);
    expect(pauses.length).toBe(present.length - 1);
  });

  test('stamps an event with the moment at which it is asked for', () => {
    let time = now.getTime();
    for (const [index, draft] of present.entries()) {
      time += index === 0 ? 0 : (pauses[index - 1] ?? 0);
      expect(draft.timestamp?.getTime()).toBe(time);
    }
  });

  test('has several runs of different people under way within the first ten events', () => {
    const opening = present.slice(0, 10);
    expect(distinct(opening, 'runId').length).toBeGreaterThanOrEqual(3);
  });

  test('shows every stage, progress that moves and items that are counted, all in the first minutes', () => {
    const firstMinutes = present.slice(0, 300);
    expect(distinct(firstMinutes, 'stage')).toEqual([...stageWords].sort());
    const moving = runsOf(firstMinutes).filter(
      (run) => new Set(run.flatMap(({ progress }) => progress ?? [])).size > 3,
    );
    expect(moving.length).toBeGreaterThan(2);
    for (const draft of moving.flat()) {
      expect(draft.itemsProcessed ?? 0).toBeLessThanOrEqual(draft.itemsTotal ?? Number.POSITIVE_INFINITY);
    }
  });

  test('does not fill the screen with runs that never end', () => {
    const atOnce = 10; // The scenarios of the last moment are cut off, and some tell several runs.
    const unended = runsOf(present).filter((run) => !isTerminal(run.at(-1)?.status ?? ''));
    expect(unended.length).toBeLessThan(atOnce + present.length / 200);
  });

  test('leaves the troubles of the history as they are', () => {
    const expired = troubled('expired_token');
    const ofExpired = present.filter((d) => d.userId === expired.person.id && d.provider === expired.provider);
    expect(new Set(ofExpired.filter(({ endedAt }) => endedAt).map(({ status }) => status))).toEqual(
      new Set(['failed']),
    );

    for (const { person, provider } of [troubled('gone_silent'), troubled('just_connected')])
      expect(present.filter((d) => d.userId === person.id && d.provider === provider)).toEqual([]);

    const silent = troubled('no_data').person;
    const counts = present.filter((d) => d.userId === silent.id && d.endedAt).map((d) => d.itemsProcessed);
    expect(new Set(counts)).toEqual(new Set([0]));
  });

  test('stops on abort in the middle of a pause', async () => {
    const abort = new AbortController();
    const events = live(demoPeople, { ...options(), signal: abort.signal, sleep: realSleep });
    await events.next();
    const pending = events.next();
    abort.abort();
    expect(await pending).toEqual({ done: true, value: undefined });
  });

  test('has no event when it is aborted before it starts', async () => {
    const events = live(demoPeople, { ...options(), signal: AbortSignal.abort() });
    expect(await events.next()).toEqual({ done: true, value: undefined });
  });

  test('passes on a failure of its clockwork that is no abort', async () => {
    const events = live(demoPeople, { ...options(), sleep: () => Promise.reject(new Error('no timers')) });
    await events.next();
    await expect(events.next()).rejects.toThrow('no timers');
  });

  test.each([
    { name: 'nobody', people: [] },
    { name: 'people without a provider', people: demoPeople.map((person) => ({ ...person, providers: [] })) },
  ])('ends at once with $name to play', async ({ people }) => {
    expect(await live(people, options()).next()).toEqual({ done: true, value: undefined });
    expect(history(people, { now, random: mulberry32(1) })).toEqual([]);
  });
});

describe('a run of the demo has the shape of a real one', () => {
  const shapes = new Set(runsOf([...past, ...present]).map(shapeOf));

  test.each(sampleRuns())('$name (%#)', ({ run }) => {
    expect(shapes).toContain(shapeOf(run));
  });

  test('with ids in the form that its source gives them', () => {
    const forms: Readonly<Record<string, RegExp>> = {
      pull: /^pull_[0-9a-f]{16}$/,
      webhook: /^(wh|garmin_webhook_([A-Za-z]+|activity_\d+))_[0-9a-f]{16}$/,
      sdk: uuidPattern,
      backfill: /^(pull_[0-9a-f]{16}|garmin_backfill_[0-9a-f-]{36}_[0-9a-f]{8})$/,
      xml_import: /^xml_[0-9a-f]{16}$/,
      linked_account:
        /^(pull_[0-9a-f]{16}|garmin_backfill_[0-9a-f-]{36}_[0-9a-f]{8}|garmin_webhook_([A-Za-z]+|activity_\d+)_[0-9a-f]{16})$/,
    };
    for (const { source, runId } of [...past, ...present]) expect(runId).toMatch(forms[source] ?? /^$/);
  });
});

/** Options of a demo whose pauses take no time, on a clock that stands still. */
function options(): LiveOptions {
  return {
    random: mulberry32(3),
    sleep: () => Promise.resolve(),
    clock: () => now,
    signal: new AbortController().signal,
  };
}

/** So many live events, on a clock that only the pauses move. */
async function playLive(count: number): Promise<{ drafts: EventDraft[]; pauses: number[] }> {
  const drafts: EventDraft[] = [];
  const slept: number[] = [];
  let time = now.getTime();
  const events = live(demoPeople, {
    ...options(),
    clock: () => new Date(time),
    sleep: async (ms) => {
      slept.push(ms);
      time += ms;
    },
  });
  while (drafts.length < count) {
    const { value } = await events.next();
    if (!value) throw new Error(`The live demo ended after ${drafts.length} events`);
    drafts.push(value);
  }
  return { drafts, pauses: slept };
}

/** The events of each run, in order, by the order of the runs' first events. */
function runsOf(drafts: readonly EventDraft[]): EventDraft[][] {
  const runs = new Map<string, EventDraft[]>();
  for (const draft of drafts) {
    const key = `${draft.userId} ${draft.runId}`;
    runs.set(key, [...(runs.get(key) ?? []), draft]);
  }
  return [...runs.values()];
}

function distinct(drafts: readonly EventDraft[], field: 'source' | 'stage' | 'userId' | 'runId'): string[] {
  return [...new Set(drafts.map((draft) => draft[field]))].sort();
}

function troubled(kind: NonNullable<Person['trouble']>['kind']) {
  const person = demoPeople.find(({ trouble }) => trouble?.kind === kind);
  if (!person) throw new Error(`Nobody has ${kind}`);
  return { person, provider: person.trouble && 'provider' in person.trouble ? person.trouble.provider : undefined };
}

/** What two runs of one kind share: the words, which keys have a value, and the keys of the metadata. */
function shapeOf(run: readonly EventDraft[]): string {
  return JSON.stringify(
    run.map(({ id: _, metadata, ...draft }) => ({
      words: [draft.source, draft.stage, draft.status],
      keys: keysOf(Object.fromEntries(Object.entries(draft).filter(([, value]) => value != null))),
      metadata: keysOf(metadata),
      params: keysOf(metadata?.params),
    })),
  );
}

function keysOf(value: Json | object | undefined): string[] {
  return typeof value === 'object' && value !== null ? Object.keys(value).sort() : [];
}

/** One run of each shape among the recorded samples, named after its words. */
function sampleRuns(): { name: string; run: EventDraft[] }[] {
  const lines = readFileSync(new URL('../support/samples/open-wearables.jsonl', import.meta.url), 'utf8')
    .trim()
    .split('\n');
  const byShape = new Map(runsOf(lines.map(draftFromWire)).map((run) => [shapeOf(run), run]));
  return [...byShape.values()].map((run) => ({
    name: `${run[0]?.source}: ${run.map(({ status, message }) => `${status} "${message}"`).join(', ')}`,
    run,
  }));
}

interface WireEvent {
  readonly user_id: string;
  readonly run_id: string;
  readonly provider: string;
  readonly source: string;
  readonly stage: string;
  readonly status: string;
  readonly message: string | null;
  readonly progress: number | null;
  readonly items_processed: number | null;
  readonly items_total: number | null;
  readonly error: string | null;
  readonly primary_user_id: string | null;
  readonly metadata: { readonly [key: string]: Json };
  readonly started_at: string | null;
  readonly ended_at: string | null;
  readonly timestamp: string;
}

function draftFromWire(line: string): EventDraft {
  const time = (text: string | null) => (text === null ? null : new Date(text));
  const wire: WireEvent = JSON.parse(line);
  return {
    userId: wire.user_id,
    runId: wire.run_id,
    provider: wire.provider,
    source: wire.source,
    stage: wire.stage,
    status: wire.status,
    message: wire.message,
    progress: wire.progress,
    itemsProcessed: wire.items_processed,
    itemsTotal: wire.items_total,
    error: wire.error,
    primaryUserId: wire.primary_user_id,
    metadata: wire.metadata,
    startedAt: time(wire.started_at),
    endedAt: time(wire.ended_at),
    timestamp: time(wire.timestamp),
  };
}

/** Every bound of `limits.ts` that the event breaks. */
function violations(draft: EventDraft): string[] {
  const limits = defaultLimits;
  const earliest = Date.parse(limits.earliestTime);
  const latest = Date.parse(limits.latestTime);
  const lengthWithin = (text: string | null | undefined, most: number) => text == null || text.length <= most;
  const isCount = (value: number | null | undefined) =>
    value == null || (Number.isInteger(value) && value >= 0 && value <= limits.itemCount);
  const isTime = (value: Date | null | undefined) =>
    value == null || (value.getTime() >= earliest && value.getTime() < latest);
  const held = {
    id: uuidPattern.test(draft.id ?? ''),
    userId: uuidPattern.test(draft.userId),
    primaryUserId: draft.primaryUserId == null || uuidPattern.test(draft.primaryUserId),
    runId: draft.runId !== '' && lengthWithin(draft.runId, limits.runIdLength),
    provider: /^[a-z]+$/.test(draft.provider) && lengthWithin(draft.provider, limits.providerLength),
    source: sourceWords.some((word) => word === draft.source),
    stage: stageWords.some((word) => word === draft.stage),
    status: statusWords.some((word) => word === draft.status),
    message: lengthWithin(draft.message, limits.messageLength),
    error: lengthWithin(draft.error, limits.errorLength),
    progress: draft.progress == null || (draft.progress >= 0 && draft.progress <= 1),
    itemsProcessed: isCount(draft.itemsProcessed),
    itemsTotal: isCount(draft.itemsTotal),
    metadata:
      Buffer.byteLength(JSON.stringify(draft.metadata)) <= limits.metadataBytes &&
      depthOf(draft.metadata ?? {}) <= limits.metadataDepth,
    startedAt: isTime(draft.startedAt),
    endedAt: isTime(draft.endedAt),
    timestamp: draft.timestamp != null && isTime(draft.timestamp),
  };
  return Object.entries(held).flatMap(([field, holds]) => (holds ? [] : [`${field} of ${JSON.stringify(draft)}`]));
}

function depthOf(value: Json): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}
