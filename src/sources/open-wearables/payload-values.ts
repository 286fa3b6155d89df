import { z } from 'zod';
import { parseDateTime } from '../../lib/date-time.ts';
import type { Json } from '../../lib/json.ts';
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

export const object = z.custom<{ readonly [key: string]: Json }>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'must be an object',
);
