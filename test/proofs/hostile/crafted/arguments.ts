import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
} from 'graphql';
import type { HttpInput } from '../input.ts';
import type { Target } from '../target.ts';
import { edgesOf, strange, toJson, toLiteral, type Value, Word } from '../values.ts';

/** Each place of a value, below the root fields: a path of names, so deep. */
const DEPTH = 4;

/** Every argument and every field of an input, with every value at the edges of its type, as a literal and as a variable. */
export function argumentInputs(schema: GraphQLSchema, { admin, userIds }: Target): HttpInput[] {
  const roots = [schema.getQueryType(), schema.getMutationType()];
  const inputs: HttpInput[] = [];
  const [userId] = userIds;
  for (const [place, root] of roots.entries())
    for (const field of Object.values(root?.getFields() ?? {}))
      if (field.name !== 'deleteUser' && field.name !== 'revokeApiKey')
        for (const argument of field.args)
          for (const value of oddValuesOf(argument.type, userId, DEPTH))
            inputs.push(...sendingOf(place === 0 ? 'query' : 'mutation', field, argument, value, userId, admin));
  return inputs;
}

function sendingOf(
  kind: string,
  field: GraphQLField<unknown, unknown>,
  argument: GraphQLArgument,
  value: Value,
  userId: string,
  admin: Readonly<Record<string, string>>,
): HttpInput[] {
  const others = field.args.filter((each) => each !== argument && isNonNullType(each.type));
  const rest = others.map((each) => `${each.name}: ${toLiteral(usualOf(each.type, userId, 3))}`);
  const below = isCompositeType(getNamedType(field.type)) ? ' { __typename }' : '';
  const call = (text: string) => `${field.name}(${[`${argument.name}: ${text}`, ...rest].join(', ')})${below}`;
  const input = (query: string, variables: string): HttpInput => ({
    ...{
      kind: `argument ${field.name}.${argument.name}`,
      door: 'POST',
      form: 'http',
      method: 'POST',
      path: '/graphql',
    },
    headers: { 'content-type': 'application/json', ...admin },
    body: `{"query":${JSON.stringify(query)},"variables":${variables}}`,
  });
  return [
    input(`${kind} { ${call(toLiteral(value))} }`, '{}'),
    input(`${kind} ($v: ${argument.type}) { ${call('$v')} }`, `{"v":${toJson(value)}}`),
  ];
}

/** Items of a list that are all wrong: as many as a body has room for. */
const WIDE = 40_000;

/** Values of which one part is at an edge, or of another type. */
function oddValuesOf(type: GraphQLInputType, userId: string, depth: number): Value[] {
  const nullable = getNullableType(type);
  if (isListType(nullable)) {
    const usual = usualOf(nullable.ofType, userId, depth);
    return [
      [],
      null,
      Array.from({ length: 51 }, () => usual),
      ...[{}, 'x'].map((wrong) => Array.from({ length: WIDE }, () => wrong)),
      ...oddValuesOf(nullable.ofType, userId, depth).map((each) => [each]),
    ];
  }
  if (isInputObjectType(nullable) && depth > 0) {
    const usual = usualOf(nullable, userId, depth);
    const whole = typeof usual === 'object' && usual !== null ? usual : {};
    const parts = Object.values(nullable.getFields()).flatMap((field) =>
      oddValuesOf(field.type, userId, depth - 1).map((value): Value => ({ ...whole, [field.name]: value })),
    );
    return [...strange, { ...whole, nope: 1 }, ...parts];
  }
  if (isEnumType(nullable))
    return [
      ...strange,
      ...nullable
        .getValues()
        .slice(0, 2)
        .map(({ name }) => name.toLowerCase()),
    ];
  return [...edgesOf(getNamedType(nullable).name), ...strange];
}

/** A value that is taken, as far as the schema can tell. */
function usualOf(type: GraphQLInputType, userId: string, depth: number): Value {
  const nullable = getNullableType(type);
  if (isListType(nullable)) return [usualOf(nullable.ofType, userId, depth)];
  if (isEnumType(nullable)) return new Word(nullable.getValues()[0]?.name ?? '');
  if (isInputObjectType(nullable)) {
    const required = Object.values(nullable.getFields()).filter((field) => isNonNullType(field.type));
    return Object.fromEntries(required.map((field) => [field.name, usualOf(field.type, userId, depth - 1)]));
  }
  const { name } = getNamedType(nullable);
  if (name === 'UUID') return userId;
  if (name === 'Int') return 1;
  if (name === 'DateTime') return '2026-03-14T12:00:00Z';
  return name === 'JSONObject' ? {} : 'oura';
}
