import {
  type FieldNode,
  type GraphQLLeafType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  isEnumType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
} from 'graphql';
import type { Context } from '../../graphql/context.ts';
import { collectFields, type Selecting } from '../collect-fields.ts';
import { writeLeaf } from './json-text.ts';
import { plainFieldOf } from './plain-field.ts';

/** What is longer may be more than an answer may have: so much is looked at on the way. */
const LONG = 65_536;

/** Writes a value as JSON. @throws whatever, for a value that it cannot write */
export type WriteValue = (value: unknown, context: Context) => string;

/**
 * Writes what graphql-js and `JSON.stringify` make of a value, to the byte, in a part of the time: what follows from the
 * selection is found out once, and no object is made only to be written out. Where graphql-js reports an error, this throws.
 * @param nodes the field that has such values, as often as the operation asks for it. All that is selected in it is plain.
 */
export function valueWriter(type: GraphQLOutputType, nodes: readonly FieldNode[], selecting: Selecting): WriteValue {
  const write = presentWriter(isNonNullType(type) ? type.ofType : type, nodes, selecting);
  return isNonNullType(type)
    ? (value, context) => (value == null ? refuse() : write(value, context))
    : (value, context) => (value == null ? 'null' : write(value, context));
}

/** For values other than null. */
function presentWriter(type: GraphQLOutputType, nodes: readonly FieldNode[], selecting: Selecting): WriteValue {
  if (isListType(type)) return listWriter(valueWriter(type.ofType, nodes, selecting));
  if (isObjectType(type)) return objectWriter(type, nodes, selecting);
  return isLeafType(type) ? leafWriter(type) : refuse();
}

function listWriter(write: WriteValue): WriteValue {
  return (value, context) => {
    if (!Array.isArray(value)) return refuse();
    let text = '';
    for (const item of value) {
      text += `${text === '' ? '' : ','}${write(item, context)}`;
      if (text.length > LONG) context.bounds.checkLength(text.length);
    }
    return `[${text}]`;
  };
}

function objectWriter(type: GraphQLObjectType, nodes: readonly FieldNode[], selecting: Selecting): WriteValue {
  const fields = Array.from(collectFields(type, nodes, selecting), ([key, fieldNodes], index) => ({
    head: `${index === 0 ? '' : ','}${JSON.stringify(key)}:`,
    write: fieldWriter(type, fieldNodes, selecting),
  }));
  return (value, context) => {
    if (isNoValue(value)) return refuse();
    let text = '';
    for (const { head, write } of fields) {
      text += head + write(value, context);
      if (text.length > LONG) context.bounds.checkLength(text.length);
    }
    return `{${text}}`;
  };
}

function fieldWriter(parent: GraphQLObjectType, nodes: readonly FieldNode[], selecting: Selecting): WriteValue {
  const name = nodes[0]?.name.value ?? '';
  if (name === '__typename') {
    const text = JSON.stringify(parent.name);
    return () => text;
  }
  const { read, type } = plainFieldOf(parent, name) ?? refuse();
  const write = valueWriter(type, nodes, selecting);
  return (source, context) => {
    const value = read(source, context);
    if (value instanceof Promise) value.catch(() => {}); // it is refused, and then nobody waits for it
    return write(value, context);
  };
}

function leafWriter(type: GraphQLLeafType): WriteValue {
  if (isEnumType(type)) {
    const texts = new Map<unknown, string>(type.getValues().map(({ name, value }) => [value, JSON.stringify(name)]));
    return (value) => texts.get(value) ?? refuse();
  }
  return (value) => {
    if (isNoValue(value)) return refuse();
    const serialized: unknown = type.serialize(value);
    return serialized == null ? refuse() : writeLeaf(serialized);
  };
}

/** graphql-js would throw it, wait for it, or call it. */
function isNoValue(value: unknown): boolean {
  return value instanceof Error || value instanceof Promise || typeof value === 'function';
}

function refuse(): never {
  throw unwritable;
}

const unwritable = new Error('A value cannot be written as it is selected');
