import {
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
} from 'graphql';
import { AppError } from '../errors.ts';
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

/**
 * Finds out whether an operation could ask for too many list items, before any of it runs: events have users and users
 * have events, so a short document could otherwise ask for millions. Each field of the schema says how many items it
 * returns (`extensions.items`); along a path the numbers multiply, and paths add up. What the document says counts: a field
 * that is asked for twice, or that a directive leaves out, counts all the same.
 *
 * The largest cost that any variables can bring about is worked out at once. Only an operation for which that is too
 * much is counted again with the variables of each request.
 * @returns a check that gives the error LIMIT_EXCEEDED, or nothing for variables that keep within the limit.
 */
export function createCostCheck(valid: ValidOperation, limits: Limits): (variables: Variables) => AppError | undefined {
  const isTooMuch = (variables?: Variables) => new ItemCount(valid, limits, variables).total() > limits.operationItems;
  if (!isTooMuch()) return () => undefined;
  return (variables) =>
    isTooMuch(variables)
      ? new AppError('LIMIT_EXCEEDED', `An operation may ask for at most ${limits.operationItems} list items in all`)
      : undefined;
}

/** How many list items an operation may ask for, by its variables: what it is charged for. */
export function createItemCount(valid: ValidOperation, limits: Limits): (variables: Variables) => number {
  const largest = new ItemCount(valid, limits, undefined);
  const items = largest.total();
  if (!largest.dependsOnVariables) return () => items;
  return (variables) => new ItemCount(valid, limits, variables).total();
}

/** Counts the items that an operation asks for with these variables; without variables, with those that cost most. */
class ItemCount {
  readonly #valid: ValidOperation;
  readonly #limits: Limits;
  readonly #variables: Variables | undefined;
  /** The count of each fragment, kept because fragments of fragments would be counted again and again. */
  readonly #ofFragments = new Map<string, number>();
  /** Has a size been looked for in a variable? */
  dependsOnVariables = false;

  constructor(valid: ValidOperation, limits: Limits, variables: Variables | undefined) {
    this.#valid = valid;
    this.#limits = limits;
    this.#variables = variables;
  }

  total(): number {
    const { schema, operation } = this.#valid;
    return this.#ofSelections(operation.selectionSet, schema.getRootType(operation.operation));
  }

  #ofSelections({ selections }: SelectionSetNode, parent: unknown): number {
    return selections.reduce((sum, selection) => {
      if (selection.kind === Kind.FIELD) return sum + this.#ofField(selection, parent);
      if (selection.kind === Kind.FRAGMENT_SPREAD) return sum + this.#ofFragment(selection.name.value);
      const name = selection.typeCondition?.name.value;
      return sum + this.#ofSelections(selection.selectionSet, name ? this.#valid.schema.getType(name) : parent);
    }, 0);
  }

  #ofFragment(name: string): number {
    const known = this.#ofFragments.get(name);
    const fragment = this.#valid.fragments.get(name);
    if (known !== undefined || !fragment) return known ?? 0;
    const count = this.#ofSelections(
      fragment.selectionSet,
      this.#valid.schema.getType(fragment.typeCondition.name.value),
    );
    this.#ofFragments.set(name, count);
    return count;
  }

  /** Introspection is no field of its parent here and counts nothing: graphql-js bounds how deep it goes, and tokens how wide. */
  #ofField(node: FieldNode, parent: unknown): number {
    const field = isObjectType(parent) || isInterfaceType(parent) ? parent.getFields()[node.name.value] : undefined;
    if (!field) return 0;
    const inner = node.selectionSet ? this.#ofSelections(node.selectionSet, getNamedType(field.type)) : 0;
    const items = itemsOf(field);
    if (items === undefined || items === 'counted by parent') return inner;
    return this.#sizeOf(node, field, items) * (1 + inner);
  }

  /** A size that is out of range is refused where it is used. */
  #sizeOf(node: FieldNode, field: GraphQLField<unknown, unknown>, items: Exclude<Items, string>): number {
    const most = typeof items.most === 'number' ? items.most : this.#limits[items.most];
    if ('each' in items) return Math.min(this.#lengthAt(node, items.each.split('.')) ?? most, most);
    if (!('by' in items)) return most;
    const given = items.by
      .map((name) => argumentOf(node, name))
      .filter((value) => value !== undefined)
      .map((value) => this.#numberIn(value));
    if (given.includes('unknown')) return most;
    const numbers = given.filter((value) => typeof value === 'number');
    const fallback: unknown = field.args.find(({ name }) => items.by.includes(name))?.defaultValue;
    if (numbers.length === 0) numbers.push(typeof fallback === 'number' ? fallback : this.#limits.defaultPageSize);
    return Math.min(Math.max(1, ...numbers), most);
  }

  /** The number that a value stands for; undefined for null and for what is no number. */
  #numberIn(node: ValueNode): number | 'unknown' | undefined {
    if (node.kind === Kind.INT) return Number(node.value);
    if (node.kind !== Kind.VARIABLE) return undefined;
    this.dependsOnVariables = true;
    if (!this.#variables) return 'unknown';
    const given = this.#given(node.name.value);
    const fallback = this.#defaultOf(node.name.value);
    if (given === undefined && fallback) return this.#numberIn(fallback);
    return typeof given === 'number' ? given : undefined;
  }

  /** What the client sent for a variable, which may have the name of something that every object inherits. */
  #given(variable: string): unknown {
    return this.#variables && Object.hasOwn(this.#variables, variable) ? this.#variables[variable] : undefined;
  }

  #defaultOf(variable: string): ValueNode | undefined {
    const { variableDefinitions } = this.#valid.operation;
    return variableDefinitions?.find((each) => each.variable.name.value === variable)?.defaultValue;
  }

  /** How many values the list at a path of the arguments holds; undefined where that cannot be told. */
  #lengthAt(node: FieldNode, [name = '', ...path]: readonly string[]): number | undefined {
    const argument = argumentOf(node, name);
    return argument && this.#lengthIn(argument, path);
  }

  #lengthIn(node: ValueNode, path: readonly string[]): number | undefined {
    if (node.kind === Kind.VARIABLE) {
      this.dependsOnVariables = true;
      const fallback = this.#defaultOf(node.name.value);
      const given = this.#given(node.name.value);
      if (this.#variables && given === undefined && fallback) return this.#lengthIn(fallback, path);
      return lengthOf(path.reduce<unknown>(partOf, given));
    }
    const [name, ...rest] = path;
    if (name === undefined) return node.kind === Kind.LIST ? node.values.length : 1;
    const field = node.kind === Kind.OBJECT ? node.fields.find((each) => each.name.value === name) : undefined;
    return field && this.#lengthIn(field.value, rest);
  }
}

function argumentOf(node: FieldNode, name: string): ValueNode | undefined {
  return node.arguments?.find((each) => each.name.value === name)?.value;
}

function partOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)).get(name) : undefined;
}

/** GraphQL takes a value that is no list for a list of one. */
function lengthOf(value: unknown): number | undefined {
  if (Array.isArray(value)) return value.length;
  return value === undefined || value === null ? undefined : 1;
}
