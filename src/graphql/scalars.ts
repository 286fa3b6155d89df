import { GraphQLError, Kind, type ObjectValueNode, type ValueNode, valueFromASTUntyped } from 'graphql';
import { GraphQLDateTimeISO, GraphQLJSONObject } from 'graphql-scalars';
import { dateTimeText } from '../lib/date-time.ts';
import type { Json } from '../lib/json.ts';
import { numberOrSymbol, whyNotKept } from '../lib/parse-json.ts';
import { isUuid } from '../lib/uuid.ts';
import type { Builder } from './builder.ts';

const cursorPattern = /^(0|[1-9][0-9]{0,9})$/;

/** The largest sequence that a log can reach: GraphQL's Int. */
const MAX_SEQUENCE = 2_147_483_647;

export function addScalars(builder: Builder): void {
  builder.scalarType('UUID', {
    description: 'A UUID: 32 hexadecimal digits in five groups. Accepted in upper case, always shown in lower case.',
    parseValue: parseUuid,
    parseLiteral: literalOf(parseUuid),
    serialize: (value) => value,
  });
  builder.addScalarType('DateTime', GraphQLDateTimeISO, {
    description:
      'A point in time, RFC 3339 with a time zone, such as `2026-03-14T07:00:00.412Z`. Kept to the millisecond, shown in UTC.',
    parseValue: parseTime,
    serialize: serializeTime,
  });
  builder.addScalarType('JSONObject', GraphQLJSONObject, {
    description:
      'A JSON object of any shape. Nothing in it is changed in silence: a number that a double cannot keep, such as an integer beyond 2^53, is refused, and so is a key that stands twice in its object.',
    parseValue: parseObject,
    parseLiteral: (node, variables) => {
      if (node.kind === Kind.OBJECT) return readObject(node, variables, '');
      throw new GraphQLError('JSONObject must be an object', { nodes: node });
    },
  });
  builder.scalarType('SyncCursor', {
    description:
      'A place in the log of one user: the sequence of an event, as a decimal string. `"0"` is the beginning of every log.',
    parseValue: parseCursor,
    parseLiteral: literalOf(parseCursor),
    serialize: String,
  });
}

/** As the value itself is parsed; what is wrong with it is told with its place in the document. */
function literalOf<T>(parse: (value: unknown) => T) {
  return (node: ValueNode, variables?: Parameters<typeof valueFromASTUntyped>[1]): T => {
    try {
      return parse(valueFromASTUntyped(node, variables));
    } catch (error) {
      throw error instanceof GraphQLError ? new GraphQLError(error.message, { nodes: node }) : error;
    }
  };
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

type LiteralVariables = Readonly<Record<string, unknown>> | null | undefined;

/** Without a prototype, so that any key is just a key. */
function readObject({ fields }: ObjectValueNode, variables: LiteralVariables, place: string): { [key: string]: Json } {
  const object = Object.create(null);
  for (const { name, value } of fields)
    object[name.value] = readLiteral(value, variables, place ? `${place}.${name.value}` : name.value);
  return object;
}

/** What stands in a document, kept as `parseJson` keeps what stands in JSON. */
function readLiteral(node: ValueNode, variables: LiteralVariables, place: string): unknown {
  switch (node.kind) {
    case Kind.INT:
    case Kind.FLOAT:
      return numberOrSymbol(node.value, place);
    case Kind.STRING:
    case Kind.BOOLEAN:
      return node.value;
    case Kind.NULL:
      return null;
    case Kind.LIST:
      return node.values.map((value, index) => readLiteral(value, variables, `${place}[${index}]`));
    case Kind.OBJECT:
      return readObject(node, variables, place);
    case Kind.VARIABLE:
      return variables?.[node.name.value];
    case Kind.ENUM:
      throw new GraphQLError(`JSONObject cannot hold ${node.value} at ${place}: write text in quotes`, { nodes: node });
  }
}

/** Reads a cursor that came from outside. @throws GraphQLError when it is none. */
export function parseCursor(value: unknown): number {
  if (typeof value === 'string' && cursorPattern.test(value) && Number(value) <= MAX_SEQUENCE) return Number(value);
  throw new GraphQLError(`SyncCursor cannot represent ${show(value)}: it must be a decimal string such as "42"`);
}

function show(value: unknown): string {
  const whyNot = whyNotKept(value);
  if (whyNot !== undefined) return `this value (${whyNot})`;
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
