import { GRAPHQL_MAX_INT } from 'graphql';
import type { HonoRequest } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { parseDateTime } from '../../lib/date-time.ts';
import { readDateTime } from './date-time-text.ts';
import type { JsonSchema } from './json-schema.ts';
import { parseUuid, whyNotUuid } from './lenient-uuid.ts';
import { word } from './wire-values.ts';

/**
 * Parameters of paths, queries and headers, read as leniently as Open Wearables' validator does, which is pydantic, and
 * refused in its words.
 */
export interface Parameter<Value> {
  readonly in: 'path' | 'query' | 'header';
  readonly description: string;
  readonly schema: JsonSchema;
  /** What the text means, undefined if it is left out. @throws HTTPException 400 */
  readonly read: (text: string | undefined) => Value;
}

/** Parameters by their names. */
export interface Parameters {
  readonly [name: string]: Parameter<unknown>;
}

export type ValuesOf<P extends Parameters> = {
  readonly [Name in keyof P]: P[Name] extends Parameter<infer Value> ? Value : never;
};

/** Reads all parameters, in their order; where one is repeated, the last one counts. @throws HTTPException 400 */
export function readParameters<P extends Parameters>(request: HonoRequest, parameters: P): ValuesOf<P> {
  const values = Object.entries(parameters).map(([name, parameter]) => [
    name,
    parameter.read(textOf(request, name, parameter)),
  ]);
  return Object.fromEntries(values) as ValuesOf<P>; // each parameter has read its own value
}

function textOf(request: HonoRequest, name: string, { in: place }: Parameter<unknown>): string | undefined {
  if (place === 'path') return request.param(name);
  return place === 'query' ? request.queries(name)?.at(-1) : request.header(name);
}

/** Whose data, out of the path, in its canonical form. */
export const userInPath: Parameter<string> = {
  in: 'path',
  description: 'Whose data: a UUID in any usual form.',
  schema: { type: 'string', format: 'uuid' },
  read: (text = '') => readUuid(text),
};

export const userInQuery: Parameter<string | undefined> = {
  in: 'query',
  description: 'Only of this user: a UUID in any usual form.',
  schema: { type: 'string', format: 'uuid' },
  read: (text) => (text === undefined ? undefined : readUuid(text)),
};

function readUuid(text: string): string {
  const uuid = parseUuid(text);
  if (uuid !== undefined) return uuid;
  const reason = whyNotUuid(text);
  throw refusal(`Input should be a valid UUID, ${reason} - ${reason}`);
}

interface IntegerOptions<Fallback> {
  readonly min: number;
  readonly max: number;
  /** What counts where it is left out. */
  readonly fallback?: Fallback;
  readonly description: string;
}

/** Digits with single underscores between them, a sign before and zeros behind the point. */
const integerText = /^([+-]?)(\d+(?:_\d+)*)(?:\.0+)?$/;

/** A whole number in the query. */
export function integer<Fallback extends number | undefined = undefined>({
  min,
  max,
  fallback,
  description,
}: IntegerOptions<Fallback>): Parameter<number | Fallback> {
  return {
    in: 'query',
    description,
    schema: { type: 'integer', minimum: min, maximum: max, ...(fallback !== undefined && { default: fallback }) },
    read(text) {
      if (text === undefined) return fallback as Fallback; // undefined is what the type says, where there is none
      const [, sign, digits] = integerText.exec(text.trim()) ?? [];
      if (digits === undefined) throw refusal('Input should be a valid integer, unable to parse string as an integer');
      const value = Number(`${sign}${digits.replaceAll('_', '')}`);
      if (value < min) throw refusal(`Input should be greater than or equal to ${min}`);
      if (value > max) throw refusal(`Input should be less than or equal to ${max}`);
      return value;
    },
  };
}

const sequence = integer({
  min: 0,
  max: GRAPHQL_MAX_INT,
  description: 'Go on after this cursor; 0 is the beginning of the log.',
});

/** A place in a log, as GraphQL takes it. */
export const cursorInQuery: Parameter<string | undefined> = {
  ...sequence,
  read: (given) => sequence.read(given)?.toString(),
};

/** Any text; an empty one counts as left out. */
export function text(place: 'query' | 'header', description: string): Parameter<string | undefined> {
  return { in: place, description, schema: { type: 'string' }, read: (given) => given || undefined };
}

/** A time as GraphQL takes it, read as pydantic reads it: an empty text is none. */
export function dateTime(description: string): Parameter<string | undefined> {
  return {
    in: 'query',
    description,
    schema: { type: 'string', format: 'date-time' },
    read(given) {
      if (given === undefined) return undefined;
      const read = readDateTime(given);
      if (typeof read === 'string') throw refusal(`Input should be a valid datetime or date, ${read} - ${read}`);
      return read.toISOString();
    },
  };
}

/** A word as its enum value in GraphQL; neither another one nor an empty text is taken. */
export function exactWord(words: readonly string[], description: string): Parameter<string | undefined> {
  return {
    in: 'query',
    description,
    schema: { type: 'string', enum: words },
    read(given) {
      if (given === undefined) return undefined;
      const value = word(words).read(given);
      if (value === undefined) throw refusal(`Input should be ${alternatives(words)}`);
      return String(value);
    },
  };
}

/** Any text, also an empty one. */
export function exactText(description: string): Parameter<string | undefined> {
  return { in: 'query', description, schema: { type: 'string' }, read: (given) => given };
}

/** Any text of the path, as one segment of it. */
export function textInPath(description: string): Parameter<string> {
  return { in: 'path', description, schema: { type: 'string' }, read: (given = '') => given };
}

/** A time as GraphQL takes it; an empty text counts as left out, and without a time zone it is in UTC. */
export function time(description: string): Parameter<string | undefined> {
  return {
    in: 'query',
    description,
    schema: { type: 'string', format: 'date-time' },
    read(given) {
      if (!given) return undefined;
      const parsed = parseDateTime(given);
      if (!parsed) throw refusal('Input should be a valid datetime, such as 2026-03-14T07:00:00Z');
      return parsed.toISOString();
    },
  };
}

/**
 * One of some words, as the list with its enum value that a GraphQL filter takes. An empty text is no filter. Of a word
 * that nobody knows Open Wearables' own parameters say that it matches nothing; ours refuse it.
 */
export function wordFilter(
  words: readonly string[],
  unknown: 'is refused' | 'matches nothing',
  description: string,
): Parameter<readonly string[] | undefined> {
  const isRefused = unknown === 'is refused';
  return {
    in: 'query',
    description,
    schema: { type: 'string', [isRefused ? 'enum' : 'examples']: words },
    read(given) {
      if (!given) return undefined;
      const value = word(words).read(given);
      if (value === undefined && isRefused) throw refusal(`Input should be ${alternatives(words)}`);
      return value === undefined ? [] : [String(value)];
    },
  };
}

function alternatives(words: readonly string[]): string {
  const quoted = words.map((each) => `'${each}'`);
  return [quoted.slice(0, -1).join(', '), ...quoted.slice(-1)].join(' or ');
}

function refusal(message: string): HTTPException {
  return new HTTPException(400, { message });
}
