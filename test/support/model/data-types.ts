import { dataTypeState } from '../../../src/data-types/data-type-state.ts';
import type { DraftedType } from './event-maker.ts';
import type { EventRow, Row } from './stored.ts';

/** What an event says of a type of data, times as milliseconds since 1970. */
interface Told {
  readonly event: EventRow;
  readonly dataType: string;
  readonly kind: string;
  readonly status: string;
  readonly state: string | null;
  readonly requested: Span;
  readonly covered: Span;
  /** All else that is stated. */
  readonly stated: Partial<DraftedType>;
  readonly inserted: number;
  readonly updated: number;
}
type Span = readonly [start: number | null, end: number | null];

/** The rows of types of data by their keys, as the events that tell of them add up: those of runs, or of connections. */
export function expectedDataTypes(events: readonly EventRow[], owner: 'runId' | 'provider'): Map<string, Row> {
  const groups = new Map<string, Told[]>();
  for (const told of events.flatMap(toldBy)) {
    const key = `${told.event.userId} ${told.event[owner]} ${told.dataType}`;
    groups.set(key, [...(groups.get(key) ?? []), told]);
  }
  const rowOf = owner === 'runId' ? ofRun : ofConnection;
  return new Map([...groups].map(([key, told]) => [key, { ...added(told, owner), ...rowOf(told) }]));
}

function toldBy(event: EventRow): Told[] {
  const ofMetadata = metadataTells(event);
  const statedTypes = (event.dataTypes ?? []) as DraftedType[];
  const names = new Set([...statedTypes.map(({ dataType }) => dataType), ...ofMetadata.keys()]);
  return [...names].map((dataType) => {
    const stated = statedTypes.find((each) => each.dataType === dataType);
    const known = ofMetadata.get(dataType);
    const requested = spanOf(stated?.requested);
    const window = [event.windowStart, event.windowEnd] as Span;
    return {
      event,
      dataType,
      kind: stated?.kind ?? known?.kind ?? 'task',
      status: (stated && statuses[stated.state]) ?? known?.status ?? '',
      state: stated?.state ?? known?.state ?? null,
      requested: requested[0] === null && requested[1] === null ? window : requested,
      covered: spanOf(stated?.covered),
      stated: { ...(known?.kind === 'task' && { nativeType: dataType }), ...known?.records, ...stated },
      inserted: stated?.itemsInserted ?? known?.inserted ?? 0,
      updated: stated?.itemsUpdated ?? known?.updated ?? 0,
    };
  });
}

const statuses: Readonly<Record<string, string>> = {
  pending: 'in_progress',
  syncing: 'in_progress',
  complete: 'success',
  partial: 'partial',
  failed: 'failed',
  not_granted: 'failed',
  not_supported: 'skipped',
};

interface Known {
  readonly kind: string;
  readonly status: string;
  readonly state?: string;
  readonly inserted?: number;
  readonly updated?: number;
  readonly records?: { readonly reportedRecords: number };
}

function metadataTells({ stage, source, scope, metadata }: EventRow): Map<string, Known> {
  const { types, batch_id, workouts_saved, params, pending_types } = metadata as {
    readonly types?: readonly string[];
    readonly batch_id?: string;
    readonly workouts_saved?: number;
    readonly params?: { readonly data_247: { readonly hrv: { readonly inserted: number; readonly updated: number } } };
    readonly pending_types?: readonly string[];
  };
  const told = new Map<string, Known>();
  if (stage === 'started' && source === 'backfill')
    for (const type of pending_types ?? []) told.set(type, { kind: 'task', status: 'in_progress', state: 'pending' });
  if (stage !== 'completed') return told;
  const status = scope === 'historical' ? 'in_progress' : 'success';
  if (types && batch_id !== undefined) {
    for (const type of types) told.set(type, { kind: 'series', status });
    if (workouts_saved) told.set('workouts', { kind: 'event', status, inserted: workouts_saved });
  }
  if (params) {
    told.set('hrv', { kind: 'task', status: 'success', ...params.data_247.hrv });
    told.set('sleep', { kind: 'task', status: 'skipped', records: { reportedRecords: 0 } });
  }
  return told;
}

function spanOf(span: DraftedType['covered']): Span {
  return [span?.start, span?.end].map((text) => (text === undefined ? null : Date.parse(text))) as unknown as Span;
}

/** What does not depend on the order of the reports. */
function added(all: readonly Told[], owner: 'runId' | 'provider'): Row {
  const [{ event, dataType }] = all as [Told];
  const known = (values: readonly (number | null | undefined)[]) => values.filter((value) => value != null) as number[];
  const least = (values: readonly (number | null)[]) => (known(values).length ? Math.min(...known(values)) : null);
  const most = (values: readonly (number | null | undefined)[]) =>
    known(values).length ? Math.max(...known(values)) : null;
  return {
    userId: event.userId,
    [owner]: event[owner],
    dataType,
    kind: all.find(({ kind }) => kind !== 'task')?.kind ?? 'task',
    itemsInserted: all.reduce((sum, { inserted }) => sum + inserted, 0),
    itemsUpdated: all.reduce((sum, { updated }) => sum + updated, 0),
    requestedStart: least(all.map(({ requested }) => requested[0])),
    requestedEnd: most(all.map(({ requested }) => requested[1])),
    coveredStart: least(all.map(({ covered }) => covered[0])),
    coveredEnd: most(all.map(({ covered }) => covered[1])),
    daysWithData: most(all.map(({ stated }) => stated.daysWithData)),
    newestData: most(all.map(({ stated }) => stated.newestData && Date.parse(stated.newestData)) as number[]),
    attempts: all.length,
  };
}

const lastOf = (told: readonly Told[], field: 'nativeType' | 'reportedRecords') =>
  told.map(({ stated }) => stated[field]).findLast((value) => value !== undefined) ?? null;

function verdictOf({ event, status, state }: Told): Row {
  return { status, state, reason: null, toldSequence: event.sequence };
}

/** In the order of the log: the last report that is a verdict, and the last that was told of everything else. */
function ofRun(all: readonly Told[]): Row {
  const verdict = all.findLast(isVerdict) ?? (all[0] as Told);
  const lastStated = all.findLast(({ state }) => state !== null)?.stated;
  return {
    ...verdictOf(verdict),
    itemsAhead: 0,
    nativeType: lastOf(all, 'nativeType'),
    reportedRecords: lastOf(all, 'reportedRecords'),
    error: lastStated?.error ?? null,
    errorCode: lastStated?.errorCode ?? null,
  };
}

const isVerdict = ({ state, status }: Told) => state !== null || status !== 'in_progress';

/** The verdict that is newest by its producer's time says how the type stands; the newest report where there is none. */
function ofConnection(all: readonly Told[]): Row {
  const counting: Told[] = [];
  const late: Told[] = [];
  for (const told of all) {
    const newest = counting.at(-1);
    const isOlder = newest && Number(told.event.timestamp) < Number(newest.event.timestamp);
    if (newest && (isVerdict(told) === isVerdict(newest) ? isOlder : isVerdict(newest))) late.push(told);
    else counting.push(told);
  }
  const last = counting.at(-1) as Told;
  const firstTold = (field: 'nativeType' | 'reportedRecords') => {
    // A late report fills only what nobody has told before it.
    let value: unknown = null;
    for (const told of all) value = late.includes(told) ? (value ?? told.stated[field]) : (told.stated[field] ?? value);
    return value ?? null;
  };
  return {
    ...verdictOf(last),
    runsAhead: null,
    nativeType: firstTold('nativeType'),
    reportedRecords: firstTold('reportedRecords'),
    error: last.stated.error ?? null,
    errorCode: last.stated.errorCode ?? null,
    toldAt: last.event.timestamp,
    stateSince: sinceOf(counting),
  };
}

/** When the last change of how the type stands was told. */
function sinceOf(counting: readonly Told[]): unknown {
  let since: unknown;
  let before: string | undefined;
  for (const { event, status, state, stated } of counting) {
    const now = dataTypeState({
      status,
      state,
      error: stated.error ?? null,
      errorCode: stated.errorCode ?? null,
      reason: null,
    });
    if (now !== before) since = event.timestamp;
    before = now;
  }
  return since;
}
