import { type GraphQLField, type GraphQLSchema, getNamedType, isCompositeType, isObjectType } from 'graphql';
import { between, pick, type Random } from '../../src/lib/random.ts';

/** What a random query may ask about. */
export interface Known {
  readonly userIds: readonly [string, ...string[]];
  readonly runIds: readonly [string, ...string[]];
}

/** How deep fields are nested. */
const DEPTH = 6;

/**
 * A query that fits the schema: random fields, with aliases, fragments, directives and arguments as clients write them.
 * Lists are kept short by their arguments.
 */
export function randomQuery(schema: GraphQLSchema, random: Random, known: Known): string {
  return `query { ${randomSelection(schema, 'Query', random, known)} }`;
}

/** The same, of one type. */
export function randomSelection(
  schema: GraphQLSchema,
  type: string,
  random: Random,
  { userIds, runIds }: Known,
): string {
  const chance = (share: number) => random() < share;
  return selection(type, type === 'Query' ? 0 : 1);

  function selection(typeName: string, depth: number): string {
    const type = schema.getType(typeName);
    if (!isObjectType(type)) return '__typename';
    const fields = Object.values(type.getFields()).filter(
      (field) => depth < DEPTH || !isCompositeType(getNamedType(field.type)),
    );
    const chosen = fields.filter(() => chance(depth === 0 ? 0.3 : 0.5));
    const parts = chosen.map((field, index) => written(field, index, depth));
    if (parts.length === 0 || chance(0.2)) parts.push('__typename');
    const [first, ...others] = parts;
    return chance(0.2) ? `... on ${typeName} { ${first} } ${others.join(' ')}` : parts.join(' ');
  }

  function written(field: GraphQLField<unknown, unknown>, index: number, depth: number): string {
    const alias = chance(0.2) ? `a${depth}_${index}: ` : '';
    const directive = chance(0.1) ? ` @include(if: ${chance(0.7)})` : '';
    const named = getNamedType(field.type);
    const below = isCompositeType(named) ? ` { ${selection(named.name, depth + 1)} }` : '';
    return `${alias}${field.name}${argumentsOf(field)}${directive}${below}`;
  }

  function argumentsOf({ args }: GraphQLField<unknown, unknown>): string {
    const values = args.flatMap(({ name }) => {
      if (name === 'id') return `id: "${pick(random, userIds)}"`;
      if (name === 'runId') return `runId: "${pick(random, runIds)}"`;
      if (name === 'first' || name === 'limit') return `${name}: ${between(random, 1, 3)}`;
      if (name === 'filter' && chance(0.3))
        return `filter: { providers: ["${pick(random, ['oura', 'garmin', 'x'])}"] }`;
      return [];
    });
    return values.length > 0 ? `(${values.join(', ')})` : '';
  }
}
