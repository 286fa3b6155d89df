import { GraphQLError } from 'graphql';
import { GraphQLDateTimeISO, GraphQLJSONObject } from 'graphql-scalars';
import { dateTimeText } from '../lib/date-time.ts';
import type { Json } from '../lib/json.ts';
import { isUuid } from '../lib/uuid.ts';
import type { Builder } from './builder.ts';

const cursorPattern = /^(0|[1-9][0-9]{0,9})$/;

/** The largest sequence that a log can reach: GraphQL's Int. */
const MAX_SEQUENCE = 2_147_483_647;

export function addScalars(builder: Builder): void {
  builder.scalarType('UUID', {
    description: 'A UUID: 32 hexadecimal digits in five groups. Accepted in upper case, always shown in lower case.',
    parseValue: parseUuid,
    serialize: (value) => value,
  });
  builder.addScalarType('DateTime', GraphQLDateTimeISO, {
    description:
      'A point in time, RFC 3339 with a time zone, such as `2026-03-14T07:00:00.412Z`. Kept to the millisecond, shown in UTC.',
    parseValue: parseTime,
    serialize: serializeTime,
  });
  builder.addScalarType('JSONObject', GraphQLJSONObject, {
    description: 'A JSON object of any shape.',
    parseValue: parseObject,
  });
  builder.scalarType('SyncCursor', {
    description:
      'A place in the log of one user: the sequence of an event, as a decimal string. `"0"` is the beginning of every log.',
    parseValue: parseCursor,
    serialize: String,
  });
}

function parseUuid(value: unknown): string {
  if (typeof value === 'string' && isUuid(value)) return value.toLowerCase();
  throw new GraphQLError(`UUID cannot represent ${show(value)}: it must be 32 hexadecimal digits in five groups`);
}

/** What the library writes, sooner for what logs are full of. Pothos' types have a `Date` for the text. */
function serializeTime(value: unknown): Date {
  const text = value instanceof Date ? dateTimeText(value) : undefined;
  return (text ?? GraphQLDateTimeISO.serialize(value)) as unknown as Date;
}

/** The library's own refusal of what is no text, or no object, prints all of it: deep enough, that exhausts the stack. */
function parseTime(value: unknown): Date {
  if (typeof value === 'string') return GraphQLDateTimeISO.parseValue(value);
  throw new GraphQLError(`DateTime cannot represent ${show(value)}: it must be a string`);
}

function parseObject(value: unknown): { [key: string]: Json } {
  // Variables were parsed out of JSON, so an object among them holds nothing else.
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as { [key: string]: Json };
  throw new GraphQLError(`JSONObject cannot represent ${show(value)}: it must be an object`);
}

/** Reads a cursor that came from outside. @throws GraphQLError when it is none. */
export function parseCursor(value: unknown): number {
  if (typeof value === 'string' && cursorPattern.test(value) && Number(value) <= MAX_SEQUENCE) return Number(value);
  throw new GraphQLError(`SyncCursor cannot represent ${show(value)}: it must be a decimal string such as "42"`);
}

function show(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
