import { toStorable } from '../db/columns.ts';
import { isObject } from '../lib/json.ts';
import { defaultLimits } from '../limits.ts';
import type { StatedReason, SyncEvent } from '../log/event.ts';
import type { ToldEvent } from '../log/projection.ts';
import { batchIdOf } from '../log/record/batches.ts';
import { type StatusWord, startsRun, wordOf } from '../log/words.ts';
import { dataTypeStates, statusOfState } from './data-type-state.ts';

/** What a type of data is: samples over time, a daily score, facts about the person, something that happened, or a task. */
export const dataTypeKinds = ['series', 'score', 'profile', 'event', 'task'] as const;
export type DataTypeKind = (typeof dataTypeKinds)[number];

/** What an event says of one type of data. */
export interface DataTypeReport {
  readonly dataType: string;
  readonly kind: string;
  readonly status: StatusWord;
  /** How the type stands, where that is stated in so many words; null where the status tells. */
  readonly state: string | null;
  readonly nativeType: string | null;
  readonly reportedRecords: number | null;
  readonly itemsInserted: number;
  readonly itemsUpdated: number;
  readonly requestedStart: Date | null;
  readonly requestedEnd: Date | null;
  readonly coveredStart: Date | null;
  readonly coveredEnd: Date | null;
  readonly daysWithData: number | null;
  readonly newestData: Date | null;
  readonly errorCode: string | null;
  readonly error: string | null;
  readonly reason: StatedReason | null;
}

type TellingEvent = ToldEvent & Partial<Pick<SyncEvent, 'windowStart' | 'windowEnd' | 'itemsProcessed'>>;

/**
 * What an event tells of types of data, each of them once. What its producer states counts before what the metadata tells of
 * the same type. Four producers of Open Wearables tell of types in their metadata:
 * - an upload of its SDK, with its end: `types` names its series, and `workouts_saved` and `sleep_saved` count what else it
 *   stored. In an export of history none of them is done with it;
 * - a pull, with its end, unless it has failed as a whole: `params` has an entry for `workouts`, and one for each type in
 *   `data_247`. The window of the event is what was asked of all of them;
 * - a backfill of Garmin that goes on after a break: `pending_types` names what is still to come;
 * - what Garmin delivers then, or by itself, each with a run of its own: `summary_type`. How many of its items are new, nobody
 *   says.
 */
export function reportsOf(event: TellingEvent): readonly DataTypeReport[] {
  const known = knownReports.get(event);
  if (known) return known;
  const reports = findReports(event);
  if (reports.length > 0) knownReports.set(event, reports);
  return reports;
}

/**
 * An event is asked once for each of its types. Nobody changes it. Most have none, which is found as quickly as remembered, and
 * what a weak map holds is moved by each collection of garbage.
 */
const knownReports = new WeakMap<TellingEvent, readonly DataTypeReport[]>();

function findReports(event: TellingEvent): readonly DataTypeReport[] {
  const stated = Array.isArray(event.dataTypes) ? (event.dataTypes as StoredDataType[]) : []; // as `identifyDrafts` makes it
  const told = isObject(event.metadata) ? ofMetadata(event, event.metadata) : [];
  if (stated.length + told.length === 0) return [];
  const named = told.filter(({ dataType }) => dataType !== '' && dataType.length <= defaultLimits.dataTypeLength);
  const others = new Map(named.map((report) => [report.dataType, report]));
  const reports = stated.map((each) => ofStated(each, others.get(each.dataType)));
  for (const { dataType } of reports) others.delete(dataType);
  return [...reports, ...others.values()]
    .slice(0, defaultLimits.dataTypesPerEvent)
    .map((report) => toReport(report, event.windowStart ?? null, event.windowEnd ?? null));
}

/** The samples of a pull as one type: so a pull calls them where it could not ask for any. */
const ALL_SAMPLES = 'data_247';

/**
 * That the samples of a pull came as a whole. It is told of none of the types, but takes back that they had failed as a whole;
 * undefined where they did not come, or where the event reports of that type anyway.
 */
export function recoveryOf(event: TellingEvent): DataTypeReport | undefined {
  if (wordOf(event.stage) !== 'completed' || !isObject(event.metadata) || !isObject(event.metadata.params))
    return undefined;
  const samples = event.metadata.params[ALL_SAMPLES];
  if (!isObject(samples) || samples.success === false) return undefined;
  const isTold = reportsOf(event).some(({ dataType }) => dataType === ALL_SAMPLES);
  return isTold ? undefined : toReport(ofTask(ALL_SAMPLES, 'success'), null, null);
}

/** A report of which only some parts are told. */
type ToldType = Pick<DataTypeReport, 'dataType' | 'kind' | 'status'> & Partial<DataTypeReport>;

/** Written out: spreading takes several times as long. */
function toReport(told: ToldType, windowStart: Date | null, windowEnd: Date | null): DataTypeReport {
  const isAsked = told.requestedStart ?? told.requestedEnd;
  return {
    dataType: told.dataType,
    kind: told.kind,
    status: told.status,
    state: told.state ?? null,
    nativeType: told.nativeType ?? null,
    reportedRecords: told.reportedRecords ?? null,
    itemsInserted: told.itemsInserted ?? 0,
    itemsUpdated: told.itemsUpdated ?? 0,
    requestedStart: isAsked ? (told.requestedStart ?? null) : windowStart,
    requestedEnd: isAsked ? (told.requestedEnd ?? null) : windowEnd,
    coveredStart: told.coveredStart ?? null,
    coveredEnd: told.coveredEnd ?? null,
    daysWithData: told.daysWithData ?? null,
    newestData: told.newestData ?? null,
    errorCode: told.errorCode ?? null,
    error: told.error ?? null,
    reason: told.reason ?? null,
  };
}

/** A `StatedDataType` as an event keeps it. */
interface StoredDataType {
  readonly dataType: string;
  readonly kind?: string;
  readonly state: string;
  readonly requested?: { readonly start?: string; readonly end?: string };
  readonly covered?: { readonly start?: string; readonly end?: string };
  readonly daysWithData?: number;
  readonly newestData?: string;
  readonly reportedRecords?: number;
  readonly itemsInserted?: number;
  readonly itemsUpdated?: number;
  readonly nativeType?: string;
  readonly errorCode?: string;
  readonly error?: string;
  readonly reason?: StatedReason;
}

/** @param told what the metadata says of the same type: what is not stated */
function ofStated({ requested, covered, newestData, ...stated }: StoredDataType, told: ToldType | undefined): ToldType {
  const time = (text: string | undefined) => (text === undefined ? null : new Date(text));
  return {
    kind: 'task',
    ...told,
    status: statusOfState[dataTypeStates.find((known) => known === stated.state) ?? 'unknown'],
    requestedStart: time(requested?.start),
    requestedEnd: time(requested?.end),
    coveredStart: time(covered?.start),
    coveredEnd: time(covered?.end),
    newestData: time(newestData),
    ...stated,
  };
}

function ofMetadata(event: TellingEvent, metadata: Metadata): ToldType[] {
  if (startsRun(event)) return wordOf(event.source) === 'backfill' ? ofResumption(metadata) : [];
  if (wordOf(event.stage) !== 'completed') return [];
  return [
    ...ofUpload(metadata, event.scope),
    ...ofPull(metadata.params),
    ...ofDelivery(metadata, event.itemsProcessed),
  ];
}

function ofDelivery({ summary_type: type }: Metadata, itemsProcessed: number | null = null): ToldType[] {
  if (typeof type !== 'string') return [];
  return [{ ...ofTask(type, itemsProcessed === 0 ? 'skipped' : 'success'), reportedRecords: itemsProcessed }];
}

function ofResumption({ pending_types: types }: Metadata): ToldType[] {
  if (!Array.isArray(types)) return [];
  return types
    .filter((type) => typeof type === 'string')
    .map((type) => ({ ...ofTask(type, statusOfState.pending), state: 'pending' }));
}

function ofUpload(metadata: Metadata, scope: ToldEvent['scope']): ToldType[] {
  const { types, workouts_saved, sleep_saved } = metadata;
  if (batchIdOf({ metadata }) === undefined || !Array.isArray(types)) return [];
  const status: StatusWord = scope != null && wordOf(scope) === 'historical' ? 'in_progress' : 'success';
  const counted = [
    ['workouts', countOf(workouts_saved)],
    ['sleep', countOf(sleep_saved)],
  ] as const;
  return [
    ...types.filter((type) => typeof type === 'string').map((dataType) => ({ dataType, kind: 'series', status })),
    ...counted
      .filter(([, itemsInserted]) => itemsInserted > 0)
      .map(([dataType, itemsInserted]) => ({ dataType, kind: 'event', status, itemsInserted })),
  ];
}

function ofPull(params: unknown): ToldType[] {
  if (!isObject(params)) return [];
  const { workouts, data_247: samples } = params;
  const reports: ToldType[] = [];
  if (isObject(workouts)) {
    const { success } = workouts;
    const itemsInserted = countOf(success);
    const status = success === false ? 'failed' : success === 0 ? 'skipped' : 'success';
    reports.push({ ...ofTask('workouts', status), itemsInserted, ...(success === false && errorOf(workouts)) });
  }
  if (!isObject(samples)) return reports;
  if (samples.success === false) return [...reports, { ...ofTask(ALL_SAMPLES, 'failed'), ...errorOf(samples) }];
  for (const [name, told] of Object.entries(samples)) {
    if (name === 'success' || name === 'saved') continue;
    if (isObject(told)) {
      const [itemsInserted, itemsUpdated] = [countOf(told.inserted), countOf(told.updated)];
      const status = itemsInserted + itemsUpdated > 0 ? 'success' : 'skipped';
      reports.push({ ...ofTask(name, status), itemsInserted, itemsUpdated });
    } else if (Number.isInteger(told)) {
      reports.push({ ...ofTask(name, told === 0 ? 'skipped' : 'success'), reportedRecords: countOf(told) });
    }
  }
  return reports;
}

type Metadata = Readonly<Record<string, unknown>>;

const ofTask = (name: string, status: StatusWord) => ({ dataType: name, kind: 'task', status, nativeType: name });

/** No longer than what is stated may be. */
function errorOf({ error, error_code: code }: Metadata): Pick<DataTypeReport, 'error' | 'errorCode'> {
  const text = (value: unknown, length: number) => (typeof value === 'string' ? toStorable(value, length) : null);
  return { error: text(error, defaultLimits.errorLength), errorCode: text(code, defaultLimits.nativeTypeLength) };
}

/** A count that GraphQL can show; nothing else counts. */
function countOf(value: unknown): number {
  return Number.isInteger(value) && Number(value) > 0 ? Math.min(Number(value), defaultLimits.itemCount) : 0;
}
