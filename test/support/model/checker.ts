import { expectedDataTypes } from './data-types.ts';
import type { Draft } from './event-maker.ts';
import type { Filter, View } from './follower.ts';
import type { Acknowledgement, RecorderReport } from './recorder.ts';
import type { EventRow, Row, Stored } from './stored.ts';

/** How often something was wrong, with examples. */
export class Findings {
  readonly #counts = new Map<string, number>();
  readonly #examples: string[] = [];

  add(what: string, example: string): void {
    this.#counts.set(what, this.count(what) + 1);
    if (this.count(what) <= 3) this.#examples.push(`${what}: ${example}`);
  }

  check(holds: boolean, what: string, example: () => string): void {
    if (!holds) this.add(what, example());
  }

  count(what: string): number {
    return this.#counts.get(what) ?? 0;
  }

  /** Up to three of each kind. */
  get examples(): readonly string[] {
    return this.#examples;
  }
}

/**
 * Compares all that recorders and followers have seen with what is stored, and what is stored with the contract: with
 * the invariants I1 to I5 and I7 of docs/design.md.
 */
export function checkModel(stored: Stored, reports: readonly RecorderReport[], views: readonly View[]): Findings {
  const findings = new Findings();
  const acknowledgements = reports.flatMap((report) => report.acknowledgements);
  for (const problem of reports.flatMap(({ problems }) => problems)) findings.add('wrong answer', problem);
  checkLogs(stored, findings);
  checkAcknowledgements(stored, acknowledgements, findings);
  checkRefusals(
    stored,
    reports.flatMap(({ refused }) => refused),
    findings,
  );
  checkRealTimeOrder(acknowledgements, findings);
  checkRuns(stored, findings);
  checkDataTypes(stored, findings);
  for (const view of views) checkView(stored, view, findings);
  return findings;
}

/** I1: sequences are 1..n without holes, in the order of the commits; the user's head is n. */
function checkLogs({ users, events, insertions }: Stored, findings: Findings): void {
  const place = new Map(insertions.map((id, index) => [id, index]));
  for (const { id: userId, headSequence, tailSequence } of users) {
    const log = events.filter((event) => event.userId === userId);
    for (const [index, { id, sequence, recordedAt }] of log.entries()) {
      const before = log[index - 1];
      findings.check(sequence === index + 1, 'hole', () => `${userId} has ${sequence} at place ${index + 1}`);
      findings.check(
        !before ||
          ((place.get(before.id) ?? 0) < (place.get(id) ?? 0) && Number(before.recordedAt) <= Number(recordedAt)),
        'out of commit order',
        () => `${userId} ${sequence}`,
      );
    }
    findings.check(headSequence === log.length, 'wrong head', () => `${userId}: ${headSequence} of ${log.length}`);
    findings.check(tailSequence === 1, 'wrong tail', () => `${userId}: ${tailSequence}`);
  }
}

/** I2, I3: what was acknowledged is there once, as it was sent and under the sequence that was told; nothing else is. */
function checkAcknowledgements(
  { events }: Stored,
  acknowledgements: readonly Acknowledgement[],
  findings: Findings,
): void {
  const byId = new Map<string, EventRow[]>();
  for (const event of events) byId.set(event.id, [...(byId.get(event.id) ?? []), event]);
  for (const { draft, sequence, retried, duplicate } of acknowledgements) {
    const [row, ...more] = byId.get(draft.id) ?? [];
    byId.delete(draft.id);
    if (!row) {
      findings.add('missing', `${draft.id} was acknowledged as ${sequence}`);
      continue;
    }
    findings.check(more.length === 0, 'duplicated', () => draft.id);
    findings.check(row.sequence === sequence, 'wrong sequence', () => `${draft.id}: ${row.sequence}, told ${sequence}`);
    findings.check(retried || !duplicate, 'wrong answer', () => `${draft.id} was called a duplicate at first sight`);
    for (const [field, value] of Object.entries(expectedFields(draft)))
      findings.check(
        JSON.stringify(row[field]) === JSON.stringify(value),
        'wrong content',
        () => `${draft.id}.${field}: ${JSON.stringify(row[field])}, sent ${JSON.stringify(value)}`,
      );
  }
  for (const id of byId.keys()) findings.add('never acknowledged', id);
}

function expectedFields(draft: Draft): Row {
  const { timestamp, ...rest } = draft;
  const time = (value: string | undefined) => (value === undefined ? null : Date.parse(value));
  return {
    message: null,
    progress: null,
    itemsProcessed: null,
    itemsTotal: null,
    error: null,
    primaryUserId: null,
    metadata: {},
    scope: null,
    extra: null,
    ...rest,
    reason: rest.reason ? withEveryPart(rest.reason) : null,
    dataTypes: rest.dataTypes?.length ? rest.dataTypes : null,
    windowStart: time(rest.windowStart),
    windowEnd: time(rest.windowEnd),
    startedAt: time(rest.startedAt),
    endedAt: time(rest.endedAt),
    ...(timestamp !== undefined && { timestamp: time(timestamp) }),
  };
}

/** In the order of the alphabet. */
function withEveryPart({ class: reasonClass, retryable, text }: NonNullable<Draft['reason']>): Row {
  return { actor: null, class: reasonClass, retryable: retryable ?? null, text: text ?? null };
}

/** I2: a refused batch leaves nothing. */
function checkRefusals({ events }: Stored, refused: readonly string[], findings: Findings): void {
  const ids = new Set(refused);
  for (const { id } of events) findings.check(!ids.has(id), 'refused but stored', () => id);
}

/** I1: an event that was acknowledged before another one was first sent comes before it. */
function checkRealTimeOrder(acknowledgements: readonly Acknowledgement[], findings: Findings): void {
  for (const userId of new Set(acknowledgements.map(({ draft }) => draft.userId))) {
    const log = acknowledgements.filter(({ draft }) => draft.userId === userId);
    const answered = [...log].sort((a, b) => a.answeredAt - b.answeredAt);
    let highest = 0;
    let next = 0;
    for (const { draft, sequence, sentAt } of [...log].sort((a, b) => a.sentAt - b.sentAt)) {
      for (; (answered[next]?.answeredAt ?? Number.POSITIVE_INFINITY) < sentAt; next += 1)
        highest = Math.max(highest, answered[next]?.sequence ?? 0);
      findings.check(
        sequence > highest,
        'out of order',
        () => `${draft.id} is ${sequence}, though ${highest} was before`,
      );
    }
  }
}

const finalStatuses = ['success', 'partial', 'failed', 'cancelled', 'skipped'];
const finalStages = ['completed', 'failed', 'cancelled'];

const endsRun = ({ stage, status }: EventRow) => finalStatuses.includes(status) || finalStages.includes(stage);
const isMilestone = (event: EventRow) => event.stage === 'started' || endsRun(event);

/** Those that tell how their run stands: not older than all before them, or an end that is not older than all starts and ends. */
function telling(events: readonly EventRow[]): EventRow[] {
  let newest = Number.NEGATIVE_INFINITY;
  let milestone = Number.NEGATIVE_INFINITY;
  return events.filter((event) => {
    const at = Number(event.timestamp);
    const counts = at >= newest || (endsRun(event) && at >= milestone);
    if (counts) newest = Math.max(newest, at);
    if (isMilestone(event)) milestone = Math.max(milestone, at);
    return counts;
  });
}

/** Those that are not older than all before them. */
function inOrder(events: readonly EventRow[]): EventRow[] {
  let newest = Number.NEGATIVE_INFINITY;
  return events.filter(({ timestamp }) => {
    const counts = Number(timestamp) >= newest;
    if (counts) newest = Number(timestamp);
    return counts;
  });
}

/**
 * I7: by the producer's time the newest event says how a run stands, and what is older is late; what a run is made of is said
 * by its milestones, whatever happened between them.
 */
function checkRuns({ events, runs }: Stored, findings: Findings): void {
  const keyOf = ({ userId, runId }: Row) => `${userId} ${runId}`;
  const stored = new Map(runs.map((run) => [keyOf(run), run]));
  const eventsOf = new Map<string, EventRow[]>();
  for (const event of events) {
    const earlier = eventsOf.get(keyOf(event));
    if (earlier) earlier.push(event);
    else eventsOf.set(keyOf(event), [event]);
  }
  for (const key of stored.keys()) findings.check(eventsOf.has(key), 'wrong run', () => `${key} has no events`);
  for (const [key, all] of eventsOf) {
    const counting = telling(all);
    for (const event of all)
      findings.check(event.late === !counting.includes(event), 'wrong late flag', () => `${key} ${event.sequence}`);
    const expected: Row = { ...expectedSummary(all, counting), ...expectedParts(all) };
    const { change: _, ...run } = stored.get(key) ?? {};
    for (const field of new Set([...Object.keys(expected), ...Object.keys(run)]))
      findings.check(
        run[field] === expected[field],
        'wrong run',
        () => `${key}.${field}: ${run[field]}, not ${expected[field]}`,
      );
  }
}

/** I7: the types of data of runs, and those of connections, are what all events add up to, each counted once. */
function checkDataTypes({ events, runDataTypes, providerDataTypes }: Stored, findings: Findings): void {
  for (const [rows, owner] of [
    [runDataTypes, 'runId'],
    [providerDataTypes, 'provider'],
  ] as const) {
    const expected = expectedDataTypes(events, owner);
    for (const row of rows) {
      const key = `${row.userId} ${row[owner]} ${row.dataType}`;
      const wanted = expected.get(key) ?? {};
      expected.delete(key);
      for (const field of new Set([...Object.keys(wanted), ...Object.keys(row)]))
        findings.check(
          row[field] === wanted[field],
          'wrong type of data',
          () => `${key}.${field}: ${row[field]}, not ${wanted[field]}`,
        );
    }
    for (const key of expected.keys()) findings.add('wrong type of data', `${key} is missing`);
  }
}

/** The last event that counts, but for what sticks. */
function expectedSummary(all: readonly EventRow[], counting: readonly EventRow[]): Row {
  const last = counting.at(-1);
  if (!last) return {};
  const { id, sequence, metadata, extra, reason, dataTypes, timestamp, recordedAt, late, ...copied } = last;
  const known = (field: string) => counting.map((event) => event[field]).filter((value) => value !== null);
  const newestStart = (events: readonly EventRow[]) => {
    let start: unknown = null;
    for (const event of events)
      start = counting.includes(event) ? (event.startedAt ?? start) : (start ?? event.startedAt);
    return start;
  };
  const firstStart = (events: readonly EventRow[]) => {
    let start: number | null = null;
    for (const event of events) {
      const told = event.startedAt === null ? null : Number(event.startedAt);
      if (start === null || told === null) start ??= told;
      else if (!counting.includes(event)) start = Math.min(start, told);
    }
    return start;
  };
  return {
    ...copied,
    startedAt: firstStart(all),
    newestStartedAt: newestStart(all),
    primaryUserId: known('primaryUserId').at(-1) ?? null,
    newestPrimaryUserId: last.primaryUserId,
    lastEventAt: Math.max(...counting.map((event) => Number(earlierOf(event.timestamp, event.recordedAt)))),
    newestAt: Math.max(...counting.map((event) => Number(event.timestamp))),
    lastSequence: all.at(-1)?.sequence,
    foldedSequence: all.at(-1)?.sequence,
    eventCount: all.length,
    recordedAt: all.at(-1)?.recordedAt,
    finished: endsRun(last),
    reopened: counting.some((event, index) => {
      const before = counting[index - 1];
      return before && endsRun(before) && !endsRun(event);
    }),
  };
}

/** What milestones add up to. */
function expectedParts(all: readonly EventRow[]): Row {
  const milestones = all.filter(isMilestone);
  const counting = inOrder(milestones);
  const ends = counting.filter(endsRun);
  const [first, last] = [counting[0], counting.at(-1)];
  const told = (event: EventRow, name: string) => (event.metadata as Readonly<Record<string, unknown>>)[name];
  const total = (events: readonly EventRow[], name: string) =>
    events.reduce((sum, event) => sum + Number(told(event, name) ?? 0), 0);
  const batches = new Map<unknown, boolean>();
  const batchOf = (event: EventRow) => told(event, 'batch_id');
  for (const batch of new Set(milestones.map(batchOf).filter((id) => id !== undefined))) {
    const own = inOrder(milestones.filter((event) => batchOf(event) === batch && endsRun(event)));
    batches.set(batch, own.at(-1)?.status === 'failed');
  }
  let openedAt = first ? Number(first.startedAt ?? first.timestamp) : null;
  for (const event of milestones)
    if (!counting.includes(event) && event.stage === 'started' && event.startedAt !== null)
      openedAt = Math.min(openedAt ?? 0, Number(event.startedAt));
  const late = milestones.filter((event) => !counting.includes(event) && endsRun(event));
  const firstTold = (field: string) => counting.map((event) => event[field]).find((value) => value !== null) ?? null;
  return {
    scope: first ? (first.scope ?? 'live') : null,
    windowStart: firstTold('windowStart'),
    windowEnd: firstTold('windowEnd'),
    openedAt,
    traceId: (first && told(first, 'trace_id')) ?? null,
    milestoneAt: last?.timestamp ?? null,
    milestoneStatus: last?.status ?? null,
    milestoneError: last?.error ?? null,
    failedSequence: failedSequence(milestones, counting),
    lastEndedAt: ends.map(({ endedAt }) => endedAt).findLast((time) => time !== null) ?? null,
    attempts: ends.length,
    failedAttempts: ends.filter(({ status }) => status === 'failed').length,
    batchCount: batches.size,
    failedBatchCount: [...batches.values()].filter(Boolean).length,
    itemsInserted: total(ends, 'inserted'),
    itemsUpdated: total(ends, 'updated'),
    itemsLate: total(late, 'inserted') + total(late, 'updated'),
  };
}

/** The newest end that says what went wrong; one that says nothing of the kind takes that back once no batch has failed. */
function failedSequence(milestones: readonly EventRow[], counting: readonly EventRow[]): number | null {
  const batches = new Map<unknown, { readonly at: number; readonly failed: boolean }>();
  let sequence: number | null = null;
  for (const event of milestones.filter(endsRun)) {
    const { batch_id: batch } = event.metadata as Readonly<Record<string, unknown>>;
    const before = batches.get(batch);
    const failed = event.status === 'failed';
    const isNewest = batch !== undefined && (!before || Number(event.timestamp) >= before.at);
    if (isNewest) batches.set(batch, { at: Number(event.timestamp), failed });
    const isBad = ['failed', 'partial'].includes(event.status) || event.stage === 'failed' || event.reason !== null;
    if (!counting.includes(event)) {
      if (isNewest && failed && !before?.failed) sequence ??= event.sequence;
    } else if (isBad || (event.status !== 'success' && event.error !== null)) sequence = event.sequence;
    else if (![...batches.values()].some((each) => each.failed)) sequence = null;
  }
  return sequence;
}

function earlierOf(a: unknown, b: unknown): unknown {
  return Number(a) < Number(b) ? a : b;
}

/** I4, I5: a view holds every event of its log after its start that its filter lets through, once and in order. */
function checkView({ events }: Stored, view: View, findings: Findings): void {
  const of = `${view.wish} on ${view.userId}`;
  const log = events.filter(({ userId }) => userId === view.userId);
  const wanted = log.filter((event) => event.sequence > view.start && matches(event, view.filter));
  const seen = new Map<string, number>();
  for (const { id } of view.events) seen.set(id, (seen.get(id) ?? 0) + 1);
  for (const { id, sequence } of wanted) findings.check(seen.has(id), 'missing', () => `${sequence} in ${of}`);
  for (const [id, times] of seen) findings.check(times === 1, 'duplicated', () => `${id} ${times} times in ${of}`);
  const ids = new Set(wanted.map(({ id }) => id));
  for (const [index, event] of view.events.entries()) {
    const before = view.events[index - 1];
    findings.check(!before || before.sequence < event.sequence, 'out of order', () => `${event.sequence} in ${of}`);
    findings.check(ids.has(event.id) && event.userId === view.userId, 'foreign', () => `${event.id} in ${of}`);
  }
  findings.check(view.cursor === log.length, 'wrong cursor', () => `${view.cursor} of ${log.length} in ${of}`);
  for (const problem of view.problems) findings.add('wrong payload', `${problem} in ${of}`);
}

function matches(event: EventRow, { runId, ...lists }: Filter): boolean {
  if (runId !== undefined && event.runId !== runId) return false;
  const columns = { providers: 'provider', sources: 'source', stages: 'stage', statuses: 'status' };
  return Object.entries(lists).every(([list, words]) => {
    const column = columns[list as keyof typeof columns];
    return words.map((word) => word.toLowerCase()).includes(String(event[column]));
  });
}
