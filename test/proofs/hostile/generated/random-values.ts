import { type GraphQLInputType, isEnumType, isInputObjectType, isListType, isNonNullType } from 'graphql';
import { between, pick, type Random } from '../../../../src/lib/random.ts';
import { edgesOf, strange, type Value, Word } from '../values.ts';
import { chance } from './tape.ts';

/** What exists on the server. */
export interface Known {
  readonly userIds: readonly [string, ...string[]];
  readonly runIds: readonly [string, ...string[]];
}

/** Makes values for arguments: mostly right ones, so that what is behind the first check is reached. */
export class RandomValues {
  readonly #random: Random;
  readonly #known: Known;

  constructor(random: Random, known: Known) {
    this.#random = random;
    this.#known = known;
  }

  /** @param name of the argument or field that it is for */
  of(type: GraphQLInputType, name: string, depth = 0): Value {
    const random = this.#random;
    if (chance(random, 0.03)) return anyOf(random, strange);
    if (isNonNullType(type)) return this.of(type.ofType, name, depth);
    if (isListType(type)) {
      const count = chance(random, 0.02) ? 60 : between(random, 0, 2);
      return Array.from({ length: count }, () => this.of(type.ofType, name, depth + 1));
    }
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields());
      const wanted = fields.filter(
        (field) => isNonNullType(field.type) !== chance(random, isNonNullType(field.type) ? 0.03 : 0.25),
      );
      const entries = wanted.map((field) => [field.name, this.of(field.type, field.name, depth + 1)] as const);
      if (chance(random, 0.02)) entries.push([pick(random, ['__proto__', 'constructor', 'nope']), 1]);
      return Object.fromEntries(entries);
    }
    if (isEnumType(type)) return new Word(anyOf(random, type.getValues()).name);
    return this.#scalar(type.name, name);
  }

  #scalar(type: string, name: string): Value {
    const random = this.#random;
    if (chance(random, 0.15)) return anyOf(random, edgesOf(type));
    if (type === 'UUID' || name === 'userId') return pick(random, this.#known.userIds);
    if (name === 'runId') return pick(random, this.#known.runIds);
    if (type === 'Int') return between(random, 1, 5);
    if (type === 'Float') return random();
    if (type === 'Boolean') return chance(random, 0.5);
    if (type === 'DateTime') return new Date(1.7e12 + between(random, 0, 9e10)).toISOString();
    if (type === 'SyncCursor') return String(between(random, 0, 5));
    if (type === 'JSONObject') return { batch_id: `b${between(random, 0, 3)}`, n: between(random, 0, 9) };
    return pick(random, ['oura', 'garmin', 'heart_rate', 'revoked', 'Kim']);
  }
}

/** One of a list that has some. */
export function anyOf<T>(random: Random, list: readonly T[]): T {
  return pick(random, list as [T, ...T[]]); // the caller's lists are not empty
}
