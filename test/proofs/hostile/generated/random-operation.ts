import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isNonNullType,
  isObjectType,
} from 'graphql';
import { between, pick, type Random } from '../../../../src/lib/random.ts';
import { toJson, toLiteral, type Value } from '../values.ts';
import { anyOf, type Known, RandomValues } from './random-values.ts';
import { chance } from './tape.ts';

/** An operation as clients send it; `variables` is JSON that JavaScript alone may not be able to write. */
export interface Operation {
  readonly query: string;
  readonly variables: string;
}

/** What must stay for the inputs to come: nobody deletes a user that others ask for, or their keys. */
const destructive: ReadonlySet<string> = new Set(['deleteUser', 'revokeApiKey']);
const nobody: Known = { userIds: ['0b6e2a54-7d0c-4f5e-9a51-3c1f6f2ad001'], runIds: ['none'] };

/** Mostly as deep as lists of lists, seldom past what is allowed. */
const USUAL_DEPTH = 5;

/** An operation with random fields, arguments of right and wrong types, aliases, fragments and directives. */
export function randomOperation(schema: GraphQLSchema, random: Random, known: Known): Operation {
  return new RandomOperation(schema, random, known).make();
}

class RandomOperation {
  readonly #schema: GraphQLSchema;
  readonly #random: Random;
  readonly #known: Known;
  readonly #fragments: string[] = [];
  readonly #declared: string[] = [];
  readonly #variables: Record<string, Value> = {};
  readonly #deepest: number;

  constructor(schema: GraphQLSchema, random: Random, known: Known) {
    this.#schema = schema;
    this.#random = random;
    this.#known = known;
    this.#deepest = this.#chance(0.03) ? 14 : between(random, 1, USUAL_DEPTH);
  }

  make(): Operation {
    const kind = pick(this.#random, ['query', 'mutation', 'query', 'subscription', 'query']);
    const root = { query: 'Query', mutation: 'Mutation', subscription: 'Subscription' }[kind] ?? 'Query';
    const type = this.#schema.getType(root) as GraphQLObjectType; // the schema has all three
    const fields = Object.values(type.getFields());
    const count = kind === 'subscription' ? 1 : between(this.#random, 1, 3);
    const chosen = Array.from({ length: count }, (_, index) => this.#field(anyOf(this.#random, fields), index, 0));
    if (this.#chance(0.05))
      chosen.push(pick(this.#random, ['__schema { types { name } }', '__typename', 'nope', '...']));
    const declared = this.#declared.length > 0 ? ` (${this.#declared.join(', ')})` : '';
    const operation = `${kind}${declared}${this.#directive()} { ${chosen.join(' ')} }`;
    return { query: [operation, ...this.#fragments].join('\n'), variables: toJson(this.#variables) };
  }

  #selection(typeName: string, depth: number): string {
    const type = this.#schema.getType(typeName);
    if (!isObjectType(type)) return '__typename';
    const fields = Object.values(type.getFields()).filter(
      (field) => depth < this.#deepest || !isCompositeType(getNamedType(field.type)),
    );
    if (fields.length === 0 || this.#chance(0.02)) return '__typename';
    const count = between(this.#random, 1, 4);
    const parts = Array.from({ length: count }, (_, index) => this.#field(anyOf(this.#random, fields), index, depth));
    const inner = parts.join(' ');
    if (!this.#chance(0.15)) return inner;
    const on = this.#chance(0.1) ? pick(this.#random, ['User', 'Query', 'Nope', 'Int']) : typeName;
    if (this.#chance(0.5)) return `... on ${on}${this.#directive()} { ${inner} }`;
    const name = `F${this.#fragments.length}`;
    const cycle = this.#chance(0.05) ? ` ...${name}` : '';
    this.#fragments.push(`fragment ${name} on ${on} { ${inner}${cycle} }`);
    return `...${name}${this.#directive()}`;
  }

  #field(field: GraphQLField<unknown, unknown>, index: number, depth: number): string {
    const alias = this.#chance(0.3) ? `a${depth}_${index}: ` : '';
    const named = getNamedType(field.type);
    const below = isCompositeType(named) ? ` { ${this.#selection(named.name, depth + 1)} }` : '';
    return `${alias}${field.name}${this.#argumentsOf(field)}${this.#directive()}${below}`;
  }

  #argumentsOf({ name, args }: GraphQLField<unknown, unknown>): string {
    const known = destructive.has(name) ? nobody : this.#known;
    const values = new RandomValues(this.#random, known);
    const given = args.filter(({ type }) => isNonNullType(type) !== this.#chance(isNonNullType(type) ? 0.03 : 0.35));
    const list = given.map((argument) => `${argument.name}: ${this.#argument(argument, values)}`);
    if (this.#chance(0.02)) list.push('nope: 1');
    return list.length > 0 ? `(${list.join(', ')})` : '';
  }

  #argument({ name, type }: GraphQLArgument, values: RandomValues): string {
    const value = values.of(type, name);
    if (!this.#chance(0.5)) return toLiteral(value);
    const variable = `v${this.#declared.length}`;
    const declaredType = this.#chance(0.05) ? pick(this.#random, ['String', '[Int!]', 'User', 'JSONObject!']) : type;
    this.#declared.push(`$${variable}: ${declaredType}${this.#chance(0.05) ? ` = ${toLiteral(value)}` : ''}`);
    if (!this.#chance(0.05)) this.#variables[variable] = value;
    return `$${variable}`;
  }

  #directive(): string {
    if (!this.#chance(0.08)) return '';
    return ` ${pick(this.#random, ['@include(if: true)', '@skip(if: false)', '@skip(if: true)', '@include(if: "x")', '@nope', '@defer', '@oneOf'])}`;
  }

  #chance(share: number): boolean {
    return chance(this.#random, share);
  }
}
