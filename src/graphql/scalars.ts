import { GraphQLError } from 'graphql';
import { GraphQLDateTimeISO, GraphQLJSONObject } from 'graphql-scalars';
import type { Builder } from './builder.ts';

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
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
  });
  builder.addScalarType('JSONObject', GraphQLJSONObject, { description: 'A JSON object of any shape.' });
  builder.scalarType('SyncCursor', {
    description:
      'A place in the log of one user: the sequence of an event, as a decimal string. `"0"` is the beginning of every log.',
    parseValue: parseCursor,
    serialize: String,
  });
}

function parseUuid(value: unknown): string {
  if (typeof value === 'string' && uuidPattern.test(value)) return value.toLowerCase();
  throw new GraphQLError(`UUID cannot represent ${show(value)}: it must be 32 hexadecimal digits in five groups`);
}

/** Reads a cursor that came from outside. @throws GraphQLError when it is none. */
export function parseCursor(value: unknown): number {
  if (typeof value === 'string' && cursorPattern.test(value) && Number(value) <= MAX_SEQUENCE) return Number(value);
  throw new GraphQLError(`SyncCursor cannot represent ${show(value)}: it must be a decimal string such as "42"`);
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
