import { BREAK, type FieldNode, type GraphQLField, Kind, type ValueNode, visit } from 'graphql';
import type { Items } from '../graphql/items.ts';
import type { Limits } from '../limits.ts';
import type { Amount } from './amounts.ts';
import type { ValidOperation, Variables } from './valid-operation.ts';

/** Reads from the arguments of lists how long these may be, and how much is looked through for them. */
export class ListArguments {
  readonly #operation: ValidOperation['operation'];
  readonly #limits: Limits;

  constructor({ operation }: ValidOperation, limits: Limits) {
    this.#operation = operation;
    this.#limits = limits;
  }

  /** A list may have to look through much for the few that match, or for none. */
  lookedThroughFor(node: FieldNode): Amount {
    return ifAsked(node, ['filter', 'search'], (variables) => {
      const isGiven = (...path: string[]) => (this.#lengthAt(node, path, variables) ?? 0) > 0;
      if (isGiven('search') || isGiven('filter', 'search')) return this.#limits.itemsOfSearch;
      const filter = argumentOf(node, 'filter');
      return filter && this.#saysSomething(filter, variables) ? this.#limits.itemsOfFilter : 0;
    });
  }

  #saysSomething(filter: ValueNode, variables: Variables): boolean {
    if (filter.kind === Kind.OBJECT) return filter.fields.length > 0;
    if (filter.kind !== Kind.VARIABLE) return false;
    const given = givenFor(filter.name.value, variables);
    const fallback = this.#defaultOf(filter.name.value);
    if (given === undefined && fallback) return this.#saysSomething(fallback, variables);
    return typeof given === 'object' && Object.values(given ?? {}).some((value) => value != null);
  }

  /** A size that is out of range is refused where it is used. */
  sizeOf(node: FieldNode, field: GraphQLField<unknown, unknown>, items: Exclude<Items, string>): Amount {
    const most = typeof items.most === 'number' ? items.most : this.#limits[items.most];
    if ('usual' in items) return Math.min(items.usual, most);
    if ('each' in items) {
      const path = items.each.split('.');
      return ifAsked(node, path.slice(0, 1), (variables) =>
        Math.min(this.#lengthAt(node, path, variables) ?? most, most),
      );
    }
    if (!('by' in items)) return most;
    const fallback: unknown = field.args.find(({ name }) => items.by.includes(name))?.defaultValue;
    const unsaid = typeof fallback === 'number' ? fallback : this.#limits.defaultPageSize;
    return ifAsked(node, items.by, (variables) => {
      const given = items.by.map((name) => this.#numberIn(argumentOf(node, name), variables));
      const numbers = given.filter((value) => value !== undefined);
      return Math.min(Math.max(1, ...(numbers.length > 0 ? numbers : [unsaid])), most);
    });
  }

  /** The number that a value stands for; undefined for null and for what is no number. */
  #numberIn(node: ValueNode | undefined, variables: Variables): number | undefined {
    if (node?.kind === Kind.INT) return Number(node.value);
    if (node?.kind !== Kind.VARIABLE) return undefined;
    const given = givenFor(node.name.value, variables);
    const fallback = this.#defaultOf(node.name.value);
    if (given === undefined && fallback) return this.#numberIn(fallback, variables);
    return typeof given === 'number' ? given : undefined;
  }

  #defaultOf(variable: string): ValueNode | undefined {
    const { variableDefinitions } = this.#operation;
    return variableDefinitions?.find((each) => each.variable.name.value === variable)?.defaultValue;
  }

  /** How many values the list at a path of the arguments holds; undefined where that cannot be told. */
  #lengthAt(node: FieldNode, [name = '', ...path]: readonly string[], variables: Variables): number | undefined {
    const argument = argumentOf(node, name);
    return argument && this.#lengthIn(argument, path, variables);
  }

  #lengthIn(node: ValueNode, path: readonly string[], variables: Variables): number | undefined {
    if (node.kind === Kind.VARIABLE) {
      const fallback = this.#defaultOf(node.name.value);
      const given = givenFor(node.name.value, variables);
      if (given === undefined && fallback) return this.#lengthIn(fallback, path, variables);
      return lengthOf(path.reduce<unknown>(partOf, given));
    }
    const [name, ...rest] = path;
    if (name === undefined) return node.kind === Kind.LIST ? node.values.length : 1;
    const field = node.kind === Kind.OBJECT ? node.fields.find((each) => each.name.value === name) : undefined;
    return field && this.#lengthIn(field.value, rest, variables);
  }
}

/** An amount that is asked for only where one of these arguments holds a variable. */
function ifAsked(node: FieldNode, names: readonly string[], amount: (variables: Variables) => number): Amount {
  const values = names.map((name) => argumentOf(node, name));
  return values.some((value) => value && holdsVariable(value)) ? amount : amount({});
}

function holdsVariable(value: ValueNode): boolean {
  let found = false;
  visit(value, {
    Variable() {
      found = true;
      return BREAK;
    },
  });
  return found;
}

/** What the client sent for a variable, which may have the name of something that every object inherits. */
function givenFor(variable: string, variables: Variables): unknown {
  return Object.hasOwn(variables, variable) ? variables[variable] : undefined;
}

function argumentOf(node: FieldNode, name: string): ValueNode | undefined {
  return node.arguments?.find((each) => each.name.value === name)?.value;
}

function partOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

/** GraphQL takes a value that is no list for a list of one. */
function lengthOf(value: unknown): number | undefined {
  if (Array.isArray(value)) return value.length;
  return value === undefined || value === null ? undefined : 1;
}
