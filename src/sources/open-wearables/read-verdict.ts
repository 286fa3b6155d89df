import { z } from 'zod';
import type { DataTypeVerdict, Span } from '../../data-types/fold-verdict.ts';
import { toStorable } from '../../db/columns.ts';
import { isObject } from '../../lib/json.ts';
import type { Limits } from '../../limits.ts';
import { time, uuid } from './payload-values.ts';

/** Beside these, a verdict may leave out whatever it likes, and what cannot be read is left out. */
const neededKeys = ['user_id', 'data_type'] as const;

const stateOfType = { 'sync.data_type.completed': 'complete', 'sync.data_type.failed': 'failed' } as const;

/**
 * Reads a `sync.data_type.*` delivery, of which the names of the keys are known, and not which object they are in: they are
 * looked for in `data`, and in the objects that are in it.
 * @returns undefined where it has not the keys without which it says nothing
 */
export function readVerdict(
  type: keyof typeof stateOfType,
  data: unknown,
  sentAt: Date,
  limits: Limits,
):
  | { readonly verdict: DataTypeVerdict; readonly error?: undefined }
  | { readonly verdict?: undefined; readonly error: z.ZodError }
  | undefined {
  const schema = verdictKeys(limits);
  const told = Object.fromEntries(
    Object.keys(schema.shape).map((key) => [key, isObject(data) ? find(data, key) : undefined]),
  );
  if (neededKeys.some((key) => told[key] === undefined)) return undefined;
  const parsed = schema.safeParse(told);
  if (!parsed.success) return { error: parsed.error };
  const keys = parsed.data;
  const text = (value: string | undefined, length: number) => (value ? toStorable(value, length) : null);
  const verdict = {
    userId: keys.user_id,
    dataType: toStorable(keys.data_type, limits.dataTypeLength),
    runId: text(keys.run_id, limits.runIdLength),
    provider: text(keys.provider, limits.providerLength),
    state: stateOfType[type],
    nativeType: text(keys.native_data_type, limits.nativeTypeLength),
    itemsInserted: keys.items_inserted ?? null,
    errorCode: text(keys.error_code, limits.nativeTypeLength),
    covered: spanOf(keys.covered_start, keys.covered_end),
    held: spanOf(keys.coverage_start, keys.coverage_end),
    at: sentAt,
  };
  return { verdict };
}

function find(data: Readonly<Record<string, unknown>>, key: string): unknown {
  const places = [data, ...Object.values(data).filter(isObject)];
  return places.map((place) => place[key]).find((value) => value != null && !isObject(value));
}

function verdictKeys({ dataTypeLength, itemCount }: Limits) {
  const text = z.string().optional().catch(undefined);
  const moment = time.optional().catch(undefined);
  return z.object({
    user_id: uuid,
    data_type: z.string().min(1).max(dataTypeLength),
    run_id: text,
    provider: text,
    native_data_type: text,
    items_inserted: z.number().int().min(0).max(itemCount).optional().catch(undefined),
    error_code: text,
    covered_start: moment,
    covered_end: moment,
    coverage_start: moment,
    coverage_end: moment,
  });
}

/** One that ends before it begins is none. */
function spanOf(start: Date | undefined, end: Date | undefined): Span {
  return start && end && start > end ? { start: null, end: null } : { start: start ?? null, end: end ?? null };
}
