import { isObject } from '../lib/json.ts';
import type { SyncEvent } from '../log/event.ts';

/**
 * Where producers write how much a sync has stored, beside `itemsProcessed`, which counts samples alone and so is 0 when only
 * workouts came in. What was received or dropped (`items`, `dropped_count`) is not stored.
 */
const counters = ['inserted', 'updated', 'records_saved', 'workouts_saved', 'sleep_saved', 'meals_saved'];

/**
 * The largest count of items that an event names, which need not be their sum: 0 only if every one that it names is 0, null
 * if it names none.
 */
export function countItems({
  itemsProcessed,
  metadata,
  dataTypes,
}: Pick<SyncEvent, 'itemsProcessed' | 'metadata' | 'dataTypes'>): number | null {
  const counts = [itemsProcessed, ...countsIn(metadata), ...countsOf(dataTypes)].filter(
    (count) => typeof count === 'number',
  );
  return counts.length > 0 ? Math.max(0, ...counts) : null; // nothing less than nothing was stored
}

/**
 * The counters, and those that a pull has for each of its parts, such as
 * `params: { workouts: { success: 2 }, data_247: { sleep: 1, steps: { inserted: 3, updated: 1 } } }`.
 */
function countsIn(metadata: unknown): unknown[] {
  if (!isObject(metadata)) return [];
  const { params } = metadata;
  const { workouts, data_247: samples } = isObject(params) ? params : {};
  return [
    ...counters.map((name) => metadata[name]),
    ...(isObject(workouts) ? [workouts.success] : []),
    ...(isObject(samples) ? Object.values(samples).flatMap((part) => (isObject(part) ? storedIn(part) : part)) : []),
  ];
}

/** What the producer states of types of data. */
function countsOf(dataTypes: unknown): unknown[] {
  if (!Array.isArray(dataTypes)) return [];
  return dataTypes
    .filter(isObject)
    .flatMap(({ itemsInserted, itemsUpdated, reportedRecords }) => [itemsInserted, itemsUpdated, reportedRecords]);
}

const storedIn = ({ inserted, updated }: Readonly<Record<string, unknown>>) => [inserted, updated];
