import { type GraphQLObjectType, isNonNullType } from 'graphql';
import { isObject } from '../../lib/json.ts';
import type { JsonSchema } from './json-schema.ts';
import type { WireValue } from './wire-values.ts';

/** A field of an object on the wire. */
export interface WireField {
  /** Name on the wire. */
  readonly name: string;
  /** The GraphQL field that it shows. */
  readonly shows: string;
  /** Where that is an object: the field of it. */
  readonly part?: string;
  readonly value: WireValue;
  /** Set where objects may be shown without it. */
  readonly added?: true;
}

/** An object as {@link selectionOf} selects it. */
export type Selected = Readonly<Record<string, unknown>>;

/** Selects the fields under their names on the wire. */
export function selectionOf(fields: readonly WireField[]): string {
  return fields.map(({ name, shows, part }) => `${name}: ${shows}${part ? ` { ${part} }` : ''}`).join(' ');
}

/** JSON text of an object: always the same fields in the same order. */
export function writeObject(fields: readonly WireField[], selected: Selected): string {
  const written = fields.map(({ name, part, value }) => {
    const whole = selected[name] ?? null;
    const shown = part && isObject(whole) ? (whole[part] ?? null) : whole;
    return `"${name}":${shown === null ? 'null' : value.write(shown)}`;
  });
  return `{${written.join(',')}}`;
}

/** What such an object looks like, with the words of the GraphQL type that it shows. */
export function schemaOf(fields: readonly WireField[], type: GraphQLObjectType): JsonSchema {
  const shown = type.getFields();
  const properties = fields.map(({ name, shows, value: { schema } }) => {
    const field = shown[shows];
    const nullable = !isNonNullType(field?.type);
    const described = { ...schema, ...(field?.description && { description: field.description }) };
    return [name, nullable ? { ...described, type: [schema.type, 'null'] } : described];
  });
  return {
    type: 'object',
    description: type.description,
    properties: Object.fromEntries(properties),
    required: fields.filter(({ added }) => !added).map(({ name }) => name),
  };
}
