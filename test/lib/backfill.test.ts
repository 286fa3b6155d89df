import { describe, expect, test } from 'vitest';
import { type BackfillState, backfillOf, foldBackfill, readBackfill } from '../../src/connections/backfill.ts';
import type { SyncRun } from '../../src/db/rows.ts';
import { defaultLimits } from '../../src/limits.ts';
import type { EventDraft, SyncEvent } from '../../src/log/event.ts';
import { foldRun, isLate } from '../../src/log/record/fold-run.ts';
import { readEntry } from '../../src/sources/open-wearables/read-entry.ts';
import type { WireEvent } from '../support/open-wearables-emitter.ts';
import { samples } from '../support/open-wearables-samples.ts';

const minute = 60_000;
const day = 24 * 60 * minute;
const now = Date.UTC(2026, 9, 2, 9);
const at = (minutes: number) => new Date(now + minutes * minute);
const daysAgo = (days: number) => new Date(now - days * day);
const daysFrom = (start: number, end: number) => ({ start: daysAgo(start), end: daysAgo(end) });

/** An event, told by what is special about it; without a source, of a run about history. */
type Told = Partial<EventDraft> & { readonly minutes?: number };

function draftOf({ minutes = 0, ...draft }: Told): EventDraft {
  const common = { userId: 'u', runId: 'run_1', provider: 'garmin', source: 'backfill', stage: 'started' };
  return { ...common, status: 'in_progress', timestamp: at(minutes), ...draft };
}

const started = (metadata: EventDraft['metadata'] = {}, told: Told = {}): Told => ({
  ...{ stage: 'started', status: 'in_progress', startedAt: at(told.minutes ?? 0), metadata, ...told },
});
const progressed = (told: Told): Told => ({ stage: 'processing', status: 'in_progress', minutes: 1, ...told });
const ended = (status: string, told: Told = {}): Told => ({
  ...{ stage: status === 'failed' || status === 'cancelled' ? status : 'completed', status, minutes: 2, ...told },
});

/** What is known of a history after these events, each of which is recorded when it comes; through JSON, as it is kept. */
function fold(drafts: readonly EventDraft[]): BackfillState | null {
  const runs = new Map<string, SyncRun>();
  let state: BackfillState | null = null;
  for (const [index, draft] of drafts.entries()) {
    const runBefore = runs.get(draft.runId);
    const { timestamp, metadata, reason, ...rest } = draft;
    const missing = { message: null, progress: null, itemsProcessed: null, itemsTotal: null, error: null };
    const times = { startedAt: null, endedAt: null, windowStart: null, windowEnd: null };
    const event = {
      ...{ ...missing, ...times, id: `event_${index}`, primaryUserId: null, scope: null, extra: null, reason: null },
      ...{ ...rest, sequence: index + 1, metadata: metadata ?? {}, timestamp: timestamp ?? at(0), late: false },
      recordedAt: new Date(Date.UTC(2026, 11, 1)),
    } as SyncEvent;
    const told = { ...event, late: isLate(runBefore, event) };
    state = readBackfill(JSON.parse(JSON.stringify(foldBackfill(state, told, runBefore))));
    runs.set(draft.runId, foldRun(runBefore, told, 1n));
  }
  return state;
}

const historyAfter = (...told: readonly Told[]) => backfillOf(fold(told.map(draftOf)));

/** After events of Open Wearables, as they come. */
function historyAfterWire(events: readonly WireEvent[]) {
  const drafts = events.map((event) => {
    const entry = readEntry({ text: JSON.stringify(event), place: 'list' }, defaultLimits);
    if (!('draft' in entry)) throw new Error(entry.detail);
    return entry.draft;
  });
  return backfillOf(fold(drafts));
}

const nothing = { requested: null, covered: null, done: null, percent: null };
const thirty = { target_days: 30, total_windows: 3, total_types: 5 };

test.each([{ target_days: 1_000_000 }, { start_date: '2000-01-01T00:00:00', end_date: '9999-12-31T23:00:00-02:00' }])(
  'what goes beyond the years that clients can read is not told: %j',
  (metadata) => expect(historyAfter(started(metadata))).toEqual({ ...nothing, done: false }),
);

test('without a run about history nothing is asked for', () => {
  const live = { source: 'pull', metadata: thirty };
  expect(historyAfter()).toEqual(nothing);
  expect(historyAfter({ ...live, scope: null }, ended('success', live))).toEqual(nothing);
  expect(historyAfter({ ...live, scope: 'live' }, progressed({ ...live, scope: 'historical' }))).toEqual(nothing);
});

test('a state of an earlier release, or none, is none', () => {
  for (const json of [null, undefined, 1, 'x', [], {}]) expect(readBackfill(json)).toBeNull();
});

describe('a backfill of Garmin', () => {
  const requested = daysFrom(30, 0);

  test('asks for so many days before its start, and has none of them yet', () => {
    expect(historyAfter(started(thirty))).toEqual({ requested, covered: null, done: false, percent: 0 });
  });

  test('goes back window by window', () => {
    const window = (done: number) =>
      progressed({ progress: done / 3, scope: 'live', metadata: { window: done, total_windows: 3 } });
    expect(historyAfter(started(thirty), window(1))).toEqual({
      ...{ requested, covered: daysFrom(10, 0), done: false, percent: 33 },
    });
    expect(historyAfter(started(thirty), window(1), window(2))).toMatchObject({
      covered: daysFrom(20, 0),
      percent: 67,
    });
    expect(historyAfter(started(thirty), window(3))).toMatchObject({ covered: requested, done: true, percent: 100 });
  });

  test('is as far as it was where another one begins with what has come', () => {
    const window = progressed({ progress: 2 / 3, scope: 'live', metadata: { window: 2, total_windows: 3 } });
    const again = started(thirty, { runId: 'run_2', minutes: 60 });
    expect(historyAfter(started(thirty), window, ended('failed'), again)).toMatchObject({ done: false, percent: 67 });
  });

  test('has windows of whole days', () => {
    const year = { target_days: 365, total_windows: 12 };
    const { covered, done } = historyAfter(started(year), progressed({ metadata: { window: 11, total_windows: 12 } }));
    expect({ covered, done }).toEqual({ covered: daysFrom(330, 0), done: false });
  });

  test('is done once it ends well, whatever came before, and in whatever order', () => {
    const done = { requested, covered: requested, done: true, percent: 100 };
    expect(historyAfter(started(thirty), ended('success'))).toEqual(done);
    expect(historyAfter(ended('success'), started(thirty))).toEqual(done);
  });

  test('that was cancelled or has failed is not done, and keeps what it has covered', () => {
    const window = progressed({ progress: 1 / 3, metadata: { window: 1, total_windows: 3 } });
    for (const status of ['cancelled', 'failed', 'partial'])
      expect(historyAfter(started(thirty), window, ended(status))).toEqual({
        ...{ requested, covered: daysFrom(10, 0), done: false, percent: 33 },
      });
  });

  test('that is resumed by another run is still about the same days', () => {
    const resume = started({ current_window: 1, total_windows: 3 }, { runId: 'run_2', minutes: 60 });
    expect(historyAfter(started(thirty), resume)).toEqual({
      ...{ requested, covered: daysFrom(10, 0), done: false, percent: 33 },
    });
    expect(historyAfter(started(thirty), resume, ended('success', { runId: 'run_2', minutes: 90 }))).toEqual({
      ...{ requested, covered: requested, done: true, percent: 100 },
    });
  });

  test('of a linked profile names no days, and is done when it says so', () => {
    const linked = { source: 'linked_account', scope: 'historical' };
    expect(historyAfter(started({}, linked))).toEqual({ ...nothing, done: false });
    expect(historyAfter(started({}, linked), ended('success', linked))).toEqual({
      ...nothing,
      done: true,
      percent: 100,
    });
  });
});

describe('a pull of history', () => {
  const dates = { is_historical: true, start_date: daysAgo(90).toISOString(), end_date: null };
  const pull = { provider: 'oura' };
  const window = { windowStart: daysAgo(90), windowEnd: at(0.1) };
  const requested = { start: daysAgo(90), end: at(0.1) };

  test('asks for the days that its start names, up to now, until its end names them for sure', () => {
    expect(historyAfter(started(dates, pull))).toEqual({
      requested: daysFrom(90, 0),
      covered: null,
      done: false,
      percent: null,
    });
    const until = { ...dates, end_date: daysAgo(60).toISOString() };
    expect(historyAfter(started(until, pull))).toMatchObject({ requested: daysFrom(90, 60) });
    expect(historyAfter(started(dates, pull), ended('success', { ...pull, ...window }))).toEqual({
      ...{ requested, covered: requested, done: true, percent: 100 },
    });
  });

  test('is done also when there was nothing new', () => {
    expect(historyAfter(started(dates, pull), ended('skipped', { ...pull, ...window }))).toMatchObject({ done: true });
  });

  test('that is partial or has failed covers nothing', () => {
    const partial = ended('partial', { ...pull, ...window, progress: 1 });
    expect(historyAfter(started(dates, pull), partial)).toEqual({
      requested,
      covered: null,
      done: false,
      percent: null,
    });
    expect(historyAfter(started(dates, pull), ended('failed', pull))).toMatchObject({ covered: null, done: false });
    expect(historyAfter(started(dates, pull), ended('brewing', { ...pull, ...window }))).toMatchObject({ done: false });
  });

  test('that another profile of the account makes asks for nothing', () => {
    const skipped = { skipped: true, linked_account: true, is_historical: true };
    expect(historyAfter(ended('skipped', { ...pull, scope: 'historical', metadata: skipped }))).toEqual(nothing);
  });
});

describe('an export from a phone', () => {
  const sdk = { provider: 'apple', source: 'sdk', scope: 'historical' };
  const batch = (minutes: number, items: number) =>
    ended('success', { ...sdk, minutes, itemsProcessed: items, metadata: { batch_id: `batch_${minutes}` } });

  test('never says that it has ended', () => {
    expect(historyAfter(started({}, sdk), batch(1, 100), batch(2, 400))).toEqual(nothing);
  });

  test('tells how far it is where it has said how much will come, and is never all there', () => {
    const begins = started({ samples_expected: 460 }, sdk);
    expect(historyAfter(begins)).toEqual({ ...nothing, percent: 0 });
    expect(historyAfter(begins, batch(1, 100))).toEqual({ ...nothing, percent: 22 });
    expect(historyAfter(begins, batch(2, 45), batch(1, 100))).toEqual({ ...nothing, percent: 32 });
    expect(historyAfter(begins, batch(1, 100), batch(2, 400))).toEqual({ ...nothing, percent: 99 });
    const next = started({}, { ...sdk, runId: 'run_2', minutes: 9 });
    expect(historyAfter(begins, batch(1, 100), next)).toEqual(nothing);
  });
});

describe('of several runs about history', () => {
  const window = (start: number, end: number) => ({ windowStart: daysAgo(start), windowEnd: daysAgo(end) });
  const run = (number: number, status: string, start: number, end: number) =>
    ended(status, { provider: 'oura', runId: `run_${number}`, minutes: number, ...window(start, end) });

  test('the widest span is asked for, and covered is what touches', () => {
    const both = [run(1, 'failed', 90, 0), run(2, 'success', 30, 0)];
    expect(historyAfter(...both)).toEqual({
      ...{ requested: daysFrom(90, 0), covered: daysFrom(30, 0), done: false, percent: 33 },
    });
    expect(historyAfter(...both, run(3, 'success', 90, 30))).toEqual({
      ...{ requested: daysFrom(90, 0), covered: daysFrom(90, 0), done: true, percent: 100 },
    });
    expect(historyAfter(...both, run(3, 'success', 90, 31))).toMatchObject({ covered: daysFrom(90, 31), done: false });
  });

  test('one that fails is not done, whatever came before it, until most of it is asked for again', () => {
    const first = run(1, 'success', 90, 30);
    expect(historyAfter(first, run(2, 'failed', 7, 0))).toEqual({
      ...{ requested: daysFrom(7, 0), covered: null, done: false, percent: 0 },
    });
    expect(historyAfter(first, run(2, 'failed', 7, 0), run(3, 'success', 8, 1))).toMatchObject({
      ...{ requested: daysFrom(90, 30), covered: daysFrom(90, 30), done: true },
    });
    expect(historyAfter(first, run(2, 'failed', 60, 0.01))).toMatchObject({
      ...{ requested: daysFrom(90, 0.01), covered: daysFrom(90, 30), done: false, percent: 67 },
    });
  });

  test('a hole is seen, and closed by whoever asks for it again', () => {
    const withHole = [run(1, 'success', 90, 60), run(2, 'failed', 60, 30), run(3, 'success', 30, 0)];
    expect(historyAfter(...withHole)).toEqual({
      ...{ requested: daysFrom(90, 0), covered: daysFrom(30, 0), done: false, percent: 67 },
    });
    expect(historyAfter(...withHole, run(4, 'success', 60, 30))).toEqual({
      ...{ requested: daysFrom(90, 0), covered: daysFrom(90, 0), done: true, percent: 100 },
    });
  });

  test('days between that nobody asked for are no hole', () => {
    expect(historyAfter(run(1, 'success', 90, 60), run(2, 'success', 30, 0))).toMatchObject({
      ...{ requested: daysFrom(30, 0), covered: daysFrom(30, 0), done: true },
    });
  });

  test('never take more room than eight spans of each kind', () => {
    const many = Array.from({ length: 1_001 }, (_, n) =>
      run(n, n % 2 ? 'failed' : 'success', 4000 - 3 * n, 3999 - 3 * n),
    );
    expect(JSON.stringify(fold(many.map(draftOf))).length).toBeLessThan(1_000);
    expect(historyAfter(...many)).toMatchObject({ done: false });
  });

  test('the newest counts, and an older one only by what it covers', () => {
    const opened = { provider: 'oura', runId: 'run_2', minutes: 5 };
    const [older, newer] = [started({}, { ...opened, runId: 'run_1', minutes: 0 }), started({}, opened)];
    const further = progressed({ ...opened, minutes: 6, progress: 0.5 });
    const news = { provider: 'oura', runId: 'run_1', minutes: 7 };
    expect(historyAfter(older, newer, further, ended('failed', news))).toMatchObject({ done: false, percent: 50 });
    expect(historyAfter(older, newer, further, ended('success', { ...news, ...window(90, 0) }))).toMatchObject({
      ...{ requested: daysFrom(90, 0), covered: daysFrom(90, 0), done: true },
    });
  });

  test('live runs change nothing', () => {
    const live = { provider: 'oura', source: 'pull', scope: 'live', runId: 'run_2', ...window(1, 0) };
    const history = run(1, 'success', 90, 30);
    expect(historyAfter(history, started({}, live), ended('failed', live))).toEqual(historyAfter(history));
  });
});

describe('how far it is', () => {
  const told = { provider: 'own' };
  const report = (progress: number) => progressed({ ...told, stage: 'fetching', progress, minutes: 1 + progress });

  test('is what the newest report says, and is never all of it before the end', () => {
    expect(historyAfter(started({}, told), report(0.29))).toEqual({ ...nothing, done: false, percent: 29 });
    expect(historyAfter(started({}, told), report(1))).toMatchObject({ percent: 99 });
    expect(historyAfter(started({}, told), report(0.6), report(0.2))).toMatchObject({ percent: 60 });
  });

  test('is not told by windows of which nobody knows where they lie', () => {
    const metadata = { window: 1, total_windows: 2 };
    expect(historyAfter(started({ target_days: 10 }, told), progressed({ ...told, metadata }))).toEqual({
      ...{ requested: daysFrom(10, 0), covered: null, done: false, percent: 50 },
    });
  });
});

test.each([
  ['target_days', [-1, 0, 1.5, '30', null, 1e15]],
  ['start_date', ['soon', 5, null, '2027-01-01T00:00:00Z']],
])('%s that is none asks for nothing', (name, values) => {
  for (const value of values) expect(historyAfter(started({ [name]: value }))).toEqual({ ...nothing, done: false });
});

describe('the samples of Open Wearables', () => {
  const of = (prefix: string, count = Number.POSITIVE_INFINITY) =>
    historyAfterWire(samples.filter(({ run_id: id }) => id.startsWith(prefix)).slice(0, count));

  test('tell of a backfill of Garmin whose reports of progress say that they are live', () => {
    const end = new Date('2026-10-02T09:00:00.220Z');
    const span = (days: number) => ({ start: new Date(end.getTime() - days * day), end });
    const [garmin, requested] = ['garmin_backfill_', span(90)];
    expect(of(garmin, 2)).toEqual({ requested, covered: span(30), done: false, percent: 33 });
    expect(of(garmin, 3)).toEqual({ requested, covered: span(60), done: false, percent: 67 });
    expect(of(garmin)).toEqual({ requested, covered: span(90), done: true, percent: 100 });
  });

  test('tell of an export from a phone, a partial pull and a cancelled one', () => {
    expect(of('sdk_')).toMatchObject({ requested: null, covered: null, done: null, percent: expect.any(Number) });
    const asked = { start: new Date('2026-07-04T12:00:00Z'), end: new Date('2026-10-02T12:00:00.003Z') };
    expect(of('pull_c3d9021e88fa4b57')).toEqual({ requested: asked, covered: null, done: false, percent: null });
    expect(of('pull_e0977a1c35d84f62')).toMatchObject({ covered: null, done: false, percent: null });
  });
});
