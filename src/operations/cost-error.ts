import {
  type ExecutionArgs,
  type FieldNode,
  getOperationAST,
  Kind,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql';
import { AppError } from '../errors.ts';
import type { Limits } from '../limits.ts';

/**
 * The fields that return lists, each with the arguments that say how long; without any it counts as a default page.
 * Payloads of a stream hold up to a page.
 */
const listFields: Readonly<Record<string, readonly string[]>> = {
  users: ['first', 'last'],
  syncRuns: ['first', 'last'],
  syncEvents: ['first', 'last'],
  events: ['first', 'last'],
  recentSyncEvents: ['limit'],
  quarantine: ['first', 'last'],
  connections: [],
};

/**
 * Finds an operation that could ask for too many list items, before any of it runs: events have users and users have
 * events, so a short document could otherwise ask for millions.
 * @returns the error LIMIT_EXCEEDED, or nothing for an operation within the limit.
 */
export function costError(
  args: ExecutionArgs,
  limits: Pick<Limits, 'operationItems' | 'defaultPageSize' | 'pageSize'>,
): AppError | undefined {
  const operation = getOperationAST(args.document, args.operationName);
  if (!operation) return undefined; // execution says so
  const fragments = new Map(
    args.document.definitions.flatMap((definition) =>
      definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition.selectionSet] as const] : [],
    ),
  );
  /** Of each fragment, so that fragments of fragments are not counted again and again. */
  const costs = new Map<string, number>();

  function costOf({ selections }: SelectionSetNode): number {
    return selections.reduce((sum, selection) => {
      if (selection.kind === Kind.FRAGMENT_SPREAD) return sum + costOfFragment(selection.name.value);
      return sum + (selection.kind === Kind.INLINE_FRAGMENT ? costOf(selection.selectionSet) : costOfField(selection));
    }, 0);
  }

  function costOfFragment(name: string): number {
    const fragment = fragments.get(name);
    const cost = costs.get(name) ?? (fragment ? costOf(fragment) : 0);
    costs.set(name, cost);
    return cost;
  }

  function costOfField(field: FieldNode): number {
    const size = sizeOf(field);
    const inner = field.selectionSet ? costOf(field.selectionSet) : 0;
    return size === undefined ? inner : size * (1 + inner);
  }

  function sizeOf({ name, arguments: given = [] }: FieldNode): number | undefined {
    const names = listFields[name.value];
    if (!names || (operation?.operation === 'subscription' && name.value.startsWith('sync'))) return undefined;
    if (operation?.operation === 'subscription' && name.value === 'events') return limits.pageSize;
    const argument = given.find((each) => names.includes(each.name.value) && each.value.kind !== Kind.NULL);
    const size = argument && numberOf(argument.value, args.variableValues ?? {});
    // What is out of range is refused where it is used.
    return Math.min(Math.max(size ?? limits.defaultPageSize, 1), limits.pageSize);
  }

  return costOf(operation.selectionSet) > limits.operationItems
    ? new AppError('LIMIT_EXCEEDED', `An operation may ask for at most ${limits.operationItems} list items in all`)
    : undefined;
}

function numberOf(value: ValueNode, variables: Readonly<Record<string, unknown>>): number | undefined {
  const number: unknown =
    value.kind === Kind.VARIABLE
      ? variables[value.name.value]
      : value.kind === Kind.INT
        ? Number(value.value)
        : undefined;
  return typeof number === 'number' ? number : undefined;
}
