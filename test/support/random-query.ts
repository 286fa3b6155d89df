import { type GraphQLField, type GraphQLSchema, getNamedType, isCompositeType, isObjectType } from 'graphql';
import { between, pick, type Random } from '../../src/lib/random.ts';

/** What a random query may ask about. */
export interface Known {
  readonly userIds: readonly [string, ...string[]];
  readonly runIds: readonly [string, ...string[]];
}

/** How deep fields are nested. */
const DEPTH = 6;
const switches = ['on', 'off', 'maybe'] as const;

/**
 * A query that fits the schema: random fields, with aliases, fragments, directives and arguments as clients write them.
 * Lists are kept short by their arguments.
 */
export function randomQuery(schema: GraphQLSchema, random: Random, known: Known): string {
  return `query { ${randomSelection(schema, 'Query', random, known)} }`;
}

/** The same, of one type. */
export function randomSelection(schema: GraphQLSchema, type: string, random: Random, known: Known): string {
  return new RandomSelections(schema, random, known, false).of(type, type === 'Query' ? 0 : 1);
}

/**
 * A query as {@link randomQuery}, which also has fragments with names, asks for some fields twice and leaves some out by
 * the variables `on`, `off` and `maybe`. A few do not fit the schema, since fields that are asked for twice differ.
 */
export function randomDocument(schema: GraphQLSchema, random: Random, known: Known): string {
  const selections = new RandomSelections(schema, random, known, true);
  const query = `query ($on: Boolean!, $off: Boolean!, $maybe: Boolean = true) { ${selections.of('Query', 0)} }`;
  const used = switches.map((name) => `${name}: __typename @include(if: $${name})`).join(' ');
  return [query.replace('{', `{ ${used}`), ...selections.fragments].join('\n');
}

class RandomSelections {
  readonly fragments: string[] = [];
  readonly #schema: GraphQLSchema;
  readonly #random: Random;
  readonly #known: Known;
  /** Are there fragments with names, doubles and variables? */
  readonly #isRich: boolean;

  constructor(schema: GraphQLSchema, random: Random, known: Known, isRich: boolean) {
    this.#schema = schema;
    this.#random = random;
    this.#known = known;
    this.#isRich = isRich;
  }

  of(typeName: string, depth: number): string {
    const type = this.#schema.getType(typeName);
    if (!isObjectType(type)) return '__typename';
    const fields = Object.values(type.getFields()).filter(
      (field) => depth < DEPTH || !isCompositeType(getNamedType(field.type)),
    );
    const chosen = fields.filter(() => this.#chance(depth === 0 ? 0.3 : 0.5));
    const parts = chosen.map((field, index) => this.#written(field, index, depth));
    if (parts.length === 0 || this.#chance(0.2)) parts.push('__typename');
    const [first = '', ...others] = parts;
    if (!this.#chance(0.2)) return parts.join(' ');
    if (!this.#isRich || this.#chance(0.5))
      return `... on ${typeName} ${this.#directive()} { ${first} } ${others.join(' ')}`;
    const name = `F${this.fragments.length}`;
    this.fragments.push(`fragment ${name} on ${typeName} { ${first} }`);
    return `...${name} ${this.#directive()} ${others.join(' ')} ...${name}`;
  }

  #written(field: GraphQLField<unknown, unknown>, index: number, depth: number): string {
    const alias = this.#chance(0.2) ? `a${depth}_${index}: ` : '';
    const named = getNamedType(field.type);
    const below = () => (isCompositeType(named) ? ` { ${this.of(named.name, depth + 1)} }` : '');
    const head = `${alias}${field.name}${this.#argumentsOf(field)}`;
    const once = `${head}${this.#directive()}${below()}`;
    return this.#isRich && this.#chance(0.1) ? `${once} ${head}${this.#directive()}${below()}` : once;
  }

  #directive(): string {
    if (this.#isRich && this.#chance(0.1))
      return ` @${pick(this.#random, ['include', 'skip'])}(if: $${pick(this.#random, switches)})`;
    return this.#chance(0.1) ? ` @include(if: ${this.#chance(0.7)})` : '';
  }

  #argumentsOf({ args }: GraphQLField<unknown, unknown>): string {
    const values = args.flatMap(({ name }) => {
      if (name === 'id') return `id: "${pick(this.#random, this.#known.userIds)}"`;
      if (name === 'runId') return `runId: ${JSON.stringify(pick(this.#random, this.#known.runIds))}`;
      if (name === 'first' || name === 'limit') return `${name}: ${between(this.#random, 1, 3)}`;
      if (name === 'filter' && this.#chance(0.3))
        return `filter: { providers: ["${pick(this.#random, ['oura', 'garmin', 'x'])}"] }`;
      return [];
    });
    return values.length > 0 ? `(${values.join(', ')})` : '';
  }

  #chance(share: number): boolean {
    return this.#random() < share;
  }
}
