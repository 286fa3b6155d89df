import { isObject } from '../lib/json.ts';
import { defaultLimits } from '../limits.ts';
import type { ToldEvent } from '../log/projection.ts';
import { type StatusWord, wordOf } from '../log/words.ts';

/** What a type of data is: samples over time, a daily score, facts about the person, something that happened, or a task. */
export const dataTypeKinds = ['series', 'score', 'profile', 'event', 'task'] as const;
export type DataTypeKind = (typeof dataTypeKinds)[number];

/** What an event says of one type of data. */
export interface DataTypeReport {
  readonly dataType: string;
  readonly kind: DataTypeKind;
  readonly status: StatusWord;
  readonly nativeType: string | null;
  readonly reportedRecords: number | null;
  readonly itemsInserted: number;
  readonly itemsUpdated: number;
  readonly errorCode: string | null;
  readonly error: string | null;
}

/** Types that one event may tell of; what it says of others is not read. */
const TYPES_PER_EVENT = 100;
const DATA_TYPE_LENGTH = 64;

/**
 * What the end of a run, or of a part of it, tells of types of data in its metadata, each of them once. Two producers of Open
 * Wearables tell of them:
 * - an upload of its SDK: `types` names its series, and `workouts_saved` and `sleep_saved` count what else it stored. In an
 *   export of history none of them is done with it;
 * - a pull, unless it has failed as a whole: `params` has an entry for `workouts`, and one for each type in `data_247`.
 */
export function reportsOf({ stage, scope, metadata }: ToldEvent): readonly DataTypeReport[] {
  if (!isObject(metadata) || wordOf(stage) !== 'completed') return [];
  const reports = [...ofUpload(metadata, scope), ...ofPull(metadata.params)];
  if (reports.length === 0) return reports;
  const named = reports.filter(({ dataType }) => dataType !== '' && dataType.length <= DATA_TYPE_LENGTH);
  return [...new Map(named.map((report) => [report.dataType, report])).values()].slice(0, TYPES_PER_EVENT);
}

const nothing = {
  nativeType: null,
  reportedRecords: null,
  itemsInserted: 0,
  itemsUpdated: 0,
  errorCode: null,
  error: null,
};

function ofUpload(
  { batch_id, types, workouts_saved, sleep_saved }: Metadata,
  scope: ToldEvent['scope'],
): DataTypeReport[] {
  if (batch_id === undefined || !Array.isArray(types)) return [];
  const status: StatusWord = scope != null && wordOf(scope) === 'historical' ? 'in_progress' : 'success';
  const counted = [
    ['workouts', countOf(workouts_saved)],
    ['sleep', countOf(sleep_saved)],
  ] as const;
  return [
    ...types
      .filter((type) => typeof type === 'string')
      .map((dataType) => ({ ...nothing, dataType, kind: 'series' as const, status })),
    ...counted
      .filter(([, itemsInserted]) => itemsInserted > 0)
      .map(([dataType, itemsInserted]) => ({ ...nothing, dataType, kind: 'event' as const, status, itemsInserted })),
  ];
}

function ofPull(params: unknown): DataTypeReport[] {
  if (!isObject(params)) return [];
  const { workouts, data_247: samples } = params;
  const reports: DataTypeReport[] = [];
  if (isObject(workouts)) {
    const { success } = workouts;
    const itemsInserted = countOf(success);
    const status = success === false ? 'failed' : success === 0 ? 'skipped' : 'success';
    reports.push({ ...ofTask('workouts', status), itemsInserted, ...(success === false && errorOf(workouts)) });
  }
  if (!isObject(samples)) return reports;
  if (samples.success === false) return [...reports, { ...ofTask('data_247', 'failed'), ...errorOf(samples) }];
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

const ofTask = (name: string, status: StatusWord): DataTypeReport => ({
  ...{ ...nothing, dataType: name, kind: 'task', status, nativeType: name },
});

function errorOf({ error, error_code: code }: Metadata): Pick<DataTypeReport, 'error' | 'errorCode'> {
  return { error: typeof error === 'string' ? error : null, errorCode: typeof code === 'string' ? code : null };
}

/** A count that GraphQL can show; nothing else counts. */
function countOf(value: unknown): number {
  return Number.isInteger(value) && Number(value) > 0 ? Math.min(Number(value), defaultLimits.itemCount) : 0;
}
