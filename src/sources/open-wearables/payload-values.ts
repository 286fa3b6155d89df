import { z } from 'zod';
import { parseDateTime } from '../../lib/date-time.ts';
import { isObject, type Json } from '../../lib/json.ts';
import { whyNotKept } from '../../lib/parse-json.ts';
import { isUuid } from '../../lib/uuid.ts';

/** In lower case, as the log keeps it. */
export const uuid = z
  .string()
  .refine(isUuid, 'must be a UUID')
  .transform((text) => text.toLowerCase());

export const time = z.string().transform((text, context) => {
  const parsed = parseDateTime(text);
  if (parsed) return parsed;
  context.addIssue({ code: 'custom', message: 'must be a date-time' });
  return z.NEVER;
});

/** What JSON cannot be kept of, as it stands twice, passes: the log finds that out, as of any other value within. */
export const object = z.custom<{ readonly [key: string]: Json }>(
  (value) => isObject(value) || whyNotKept(value) !== undefined,
  'must be an object',
);

/** What an object says under keys that its schema does not have. */
export function unknownOf(object: Readonly<Record<string, unknown>>, { shape }: z.ZodObject): Record<string, Json> {
  const unknown = Object.entries(object).filter(([key]) => !Object.hasOwn(shape, key));
  return Object.fromEntries(unknown) as Record<string, Json>; // it was JSON
}

/** What is wrong with a payload: of what JSON says, and could not be kept, why; else the schema's own words. */
export function sayIssue({ message, input }: z.core.$ZodIssue): string {
  return whyNotKept(input) ?? message;
}
