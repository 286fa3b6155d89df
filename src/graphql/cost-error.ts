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

/** The fields that return lists, each with the arguments that say how long. Payloads of a stream hold up to a page. */
const listFields: Readonly<Record<string, readonly string[]>> = {
  users: ['first', 'last'],
  syncRuns: ['first', 'last'],
  syncEvents: ['first', 'last'],
  events: ['first', 'last'],
  recentSyncEvents: ['limit'],
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
  let items = 0;

  function enter({ selections }: SelectionSetNode, times: number): void {
    for (const selection of selections) {
      if (items > limits.operationItems) return;
      if (selection.kind === Kind.FRAGMENT_SPREAD) {
        const fragment = fragments.get(selection.name.value);
        if (fragment) enter(fragment, times);
      } else if (selection.kind === Kind.INLINE_FRAGMENT) enter(selection.selectionSet, times);
      else enterField(selection, times);
    }
  }

  function enterField(field: FieldNode, times: number): void {
    const size = sizeOf(field);
    const length = size === undefined ? times : times * size;
    items += size === undefined ? 0 : length;
    if (items > limits.operationItems) return;
    if (field.selectionSet) enter(field.selectionSet, length);
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

  enter(operation.selectionSet, 1);
  return items > limits.operationItems
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
