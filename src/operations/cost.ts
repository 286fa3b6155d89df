import {
  BREAK,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLSchema,
  getNamedType,
  isInterfaceType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValueNode,
  visit,
} from 'graphql';
import { type Items, itemsOf } from '../graphql/items.ts';
import type { Limits } from '../limits.ts';

/** The values of an operation's variables, as the client sent them. */
export type Variables = Readonly<Record<string, unknown>>;

/** An operation that fits the schema, with the fragments of its document. */
export interface ValidOperation {
  readonly schema: GraphQLSchema;
  readonly operation: OperationDefinitionNode;
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;
}

/** How many list items an operation asks for with these variables. */
export type CostOf = (variables: Variables) => number;

/** More than any limit, and a number that JSON can tell. */
const MOST = Number.MAX_SAFE_INTEGER;

/**
 * Finds out how many list items an operation could ask for, before any of it runs: events have users and users
 * have events, so a short document could otherwise ask for millions. Each field of the schema says how many items it
 * returns (`extensions.items`); along a path the numbers multiply, and paths add up. What the document says counts: a field
 * that is asked for twice, or that a directive leaves out, counts all the same.
 *
 * The document is read once. What is left for each request is what depends on its variables: for most, nothing.
 */
export function createCost(valid: ValidOperation, limits: Limits): CostOf {
  const total = new ItemCount(valid, limits).total();
  if (typeof total === 'number') return () => total;
  let asked = 0;
  return (variables) => {
    asked += 1;
    return total(variables, asked);
  };
}

/** A number of items that is known, or that depends on variables. Within one question it is asked with one number. */
type Amount = number | ((variables: Variables, question: number) => number);

function sumOf(amounts: readonly Amount[]): Amount {
  const known = amounts.filter((amount) => typeof amount === 'number').reduce((sum, amount) => sum + amount, 0);
  const others = amounts.filter((amount) => typeof amount === 'function');
  if (others.length === 0) return Math.min(known, MOST);
  return (variables, question) =>
    Math.min(
      others.reduce((sum, amount) => sum + amount(variables, question), known),
      MOST,
    );
}

/** So many items, each with what is within it. */
function itemsWith(size: Amount, inner: Amount): Amount {
  if (typeof size === 'number' && typeof inner === 'number') return Math.min(size * (1 + inner), MOST);
  const sizeWith = typeof size === 'number' ? () => size : size;
  const innerWith = typeof inner === 'number' ? () => inner : inner;
  return (variables, question) => Math.min(sizeWith(variables, question) * (1 + innerWith(variables, question)), MOST);
}

/** Worked out once for each question, because fragments of fragments would be counted again and again. */
function once(amount: Amount): Amount {
  if (typeof amount === 'number') return amount;
  let answered = 0;
  let answer = 0;
  return (variables, question) => {
    if (answered !== question) answer = amount(variables, question);
    answered = question;
    return answer;
  };
}

/** Reads how many items an operation asks for. */
class ItemCount {
  readonly #valid: ValidOperation;
  readonly #limits: Limits;
  /** That of each fragment. */
  readonly #ofFragments = new Map<string, Amount>();

  constructor(valid: ValidOperation, limits: Limits) {
    this.#valid = valid;
    this.#limits = limits;
  }

  total(): Amount {
    const { schema, operation } = this.#valid;
    return this.#ofSelections(operation.selectionSet, schema.getRootType(operation.operation));
  }

  #ofSelections({ selections }: SelectionSetNode, parent: unknown): Amount {
    return sumOf(
      selections.map((selection) => {
        if (selection.kind === Kind.FIELD) return this.#ofField(selection, parent);
        if (selection.kind === Kind.FRAGMENT_SPREAD) return this.#ofFragment(selection.name.value);
        const name = selection.typeCondition?.name.value;
        return this.#ofSelections(selection.selectionSet, name ? this.#valid.schema.getType(name) : parent);
      }),
    );
  }

  #ofFragment(name: string): Amount {
    const known = this.#ofFragments.get(name);
    const fragment = this.#valid.fragments.get(name);
    if (known !== undefined || !fragment) return known ?? 0;
    const type = this.#valid.schema.getType(fragment.typeCondition.name.value);
    const amount = once(this.#ofSelections(fragment.selectionSet, type));
    this.#ofFragments.set(name, amount);
    return amount;
  }

  /** Introspection is no field of its parent here and counts nothing: graphql-js bounds how deep it goes, and tokens how wide. */
  #ofField(node: FieldNode, parent: unknown): Amount {
    const field = isObjectType(parent) || isInterfaceType(parent) ? parent.getFields()[node.name.value] : undefined;
    if (!field) return 0;
    const inner = node.selectionSet ? this.#ofSelections(node.selectionSet, getNamedType(field.type)) : 0;
    const items = itemsOf(field);
    if (items === undefined || items === 'counted by parent') return inner;
    return itemsWith(this.#sizeOf(node, field, items), inner);
  }

  /** A size that is out of range is refused where it is used. */
  #sizeOf(node: FieldNode, field: GraphQLField<unknown, unknown>, items: Exclude<Items, string>): Amount {
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
    const { variableDefinitions } = this.#valid.operation;
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
