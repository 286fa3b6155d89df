import { GRAPHQL_MAX_INT } from 'graphql';
import { parseRfc3339 } from '../../lib/date-time.ts';
import { isObject } from '../../lib/json.ts';
import type { JsonSchema } from './json-schema.ts';
import { parseUuid } from './lenient-uuid.ts';

/**
 * One kind of value, between GraphQL and the wire. Only what GraphQL itself could not take is refused here; rules about
 * values, such as their bounds, are not known to a transport. Neither way meets null.
 */
export interface WireValue {
  /** What GraphQL takes for a value of a request; undefined when it cannot be one. */
  readonly read: (value: unknown) => unknown;
  /** Says what can be read, after the words "must be". */
  readonly mustBe: string;
  /** What answers hold. */
  readonly schema: JsonSchema;
  /** What requests may hold, if that is less. */
  readonly accepts?: JsonSchema;
  /** JSON text for a value that GraphQL gave. */
  readonly write: (value: unknown) => string;
}

export const text: WireValue = {
  read: (value) => (typeof value === 'string' ? value : undefined),
  mustBe: 'a string',
  schema: { type: 'string' },
  write: JSON.stringify,
};

export const uuid: WireValue = {
  read: (value) => (typeof value === 'string' ? parseUuid(value) : undefined),
  mustBe: 'a UUID',
  schema: { type: 'string', format: 'uuid' },
  write: JSON.stringify,
};

/** One of a set of words: enum values in upper case for GraphQL. Answers may hold other words. */
export function word(words: readonly string[]): WireValue {
  return {
    read: (value) => (typeof value === 'string' && words.includes(value) ? value.toUpperCase() : undefined),
    mustBe: `one of ${words.join(', ')}`,
    schema: { type: 'string', examples: words },
    accepts: { type: 'string', enum: words },
    write: JSON.stringify,
  };
}

/** From 0 to 1. Written as Python writes a float: `1.0`. */
export const fraction: WireValue = {
  read: (value) => (typeof value === 'number' && Number.isFinite(value) ? value : undefined),
  mustBe: 'a number from 0 to 1',
  schema: { type: 'number', minimum: 0, maximum: 1 },
  write: (value) => (Number.isInteger(value) ? `${value}.0` : String(value)),
};

export const count: WireValue = {
  read: (value) => (Number.isInteger(value) && Math.abs(Number(value)) <= GRAPHQL_MAX_INT ? value : undefined),
  mustBe: `a whole number from 0 to ${GRAPHQL_MAX_INT}`,
  schema: { type: 'integer', minimum: 0, maximum: GRAPHQL_MAX_INT },
  write: String,
};

export const object: WireValue = {
  read: (value) => (isObject(value) ? value : undefined),
  mustBe: 'an object',
  schema: { type: 'object' },
  write: JSON.stringify,
};

/** Written in UTC as Python does: with six digits of a second's fraction, or none where there is none. */
export const time: WireValue = {
  read: (value) => (typeof value === 'string' ? parseRfc3339(value)?.toISOString() : undefined),
  mustBe: 'an RFC 3339 time with a time zone, such as 2026-03-14T07:00:00.412Z',
  schema: { type: 'string', format: 'date-time' },
  write: (value) => `"${String(value).replace(/\.(\d{3})Z$/, (_, ms) => (ms === '000' ? 'Z' : `.${ms}000Z`))}"`,
};
