import {
  coerceInputValue,
  type GraphQLInputType,
  type GraphQLSchema,
  isInputObjectType,
  isInputType,
  isListType,
  isNonNullType,
  type NamedTypeNode,
  type OperationDefinitionNode,
  typeFromAST,
} from 'graphql';
import { isObject } from '../lib/json.ts';
import { whyNotKept } from '../lib/parse-json.ts';
import type { Limits } from '../limits.ts';
import type { Variables } from './valid-operation.ts';

/** What is wrong with one field of one item of a list; an empty field stands for the item itself. */
export interface InputProblem {
  readonly index: number;
  readonly field: string;
  /** Reads on after the field's name. */
  readonly message: string;
}

/**
 * What the type of such items may have among its extensions as `findProblems`: the rules that a schema does not tell, for an
 * item of which only some fields may have been read.
 */
export type FindProblems = (
  item: Readonly<Record<string, unknown>>,
  limits: Limits,
) => readonly Omit<InputProblem, 'index'>[];

/**
 * What is wrong with the lists of items, of types with `findProblems`, that an operation has among its variables, of which
 * graphql-js says only what does not fit its types: the first `listedProblems`. Nothing is looked at once these are found,
 * so that a list takes no more time for being wrong in ten thousand places.
 */
export function findInputProblems(
  schema: GraphQLSchema,
  { variableDefinitions = [] }: OperationDefinitionNode,
  variables: Variables,
  limits: Limits,
): InputProblem[] {
  const problems: InputProblem[] = [];
  for (const { variable, type: node } of variableDefinitions) {
    const type = typeFromAST(schema, node as NamedTypeNode); // any node of a type; its declaration knows only of this one
    if (!isInputType(type)) continue;
    for (const problem of problemsIn(type, variables[variable.name.value], limits)) {
      problems.push(problem);
      if (problems.length === limits.listedProblems) return problems;
    }
  }
  return problems;
}

function* problemsIn(type: GraphQLInputType, value: unknown, limits: Limits): Generator<InputProblem, void, undefined> {
  if (isNonNullType(type)) yield* problemsIn(type.ofType, value, limits);
  else if (isListType(type)) yield* problemsOfList(type.ofType, value, limits);
  else if (isInputObjectType(type) && isObject(value))
    for (const field of Object.values(type.getFields())) yield* problemsIn(field.type, value[field.name], limits);
}

function* problemsOfList(
  itemType: GraphQLInputType,
  value: unknown,
  limits: Limits,
): Generator<InputProblem, void, undefined> {
  const type = isNonNullType(itemType) ? itemType.ofType : itemType;
  const find = isInputObjectType(type) ? type.extensions.findProblems : undefined;
  if (typeof find !== 'function' || value === undefined || value === null) return;
  const findProblems = find as FindProblems; // nothing else is put there under this name
  const items = Array.isArray(value) ? value : [value]; // GraphQL takes one item for a list of it
  for (const [index, item] of items.entries()) {
    const { coerced, misfits } = coerceItem(itemType, item, limits.listedProblems);
    misfits.sort((one, other) => Number(one.field !== '') - Number(other.field !== '')); // what is wrong with all of it
    for (const misfit of misfits) yield { index, ...misfit };
    if (!isObject(coerced)) continue;
    const known = new Set(misfits.map(({ field }) => field));
    for (const problem of findProblems(coerced, limits)) if (!known.has(problem.field)) yield { index, ...problem };
  }
}

/** An item with those of its fields that fit, and what does not, so many at most; of one with more no field is read. */
function coerceItem(type: GraphQLInputType, item: unknown, most: number) {
  const misfits: Omit<InputProblem, 'index'>[] = [];
  const enough = new Error('There is enough to tell');
  try {
    const coerced: unknown = coerceInputValue(item, type, (path, invalid, { message }) => {
      // Of a field that is missing, or that nobody knows, graphql-js speaks as of the object.
      const unfit = /^Field "(\w*)"/.exec(message)?.[1];
      const given = unfit !== undefined && isObject(invalid) ? invalid[unfit] : invalid;
      const [field = '', ...within] = unfit === undefined ? path : [...path, unfit];
      misfits.push({ field: String(field), message: placeIn(within) + (whyNotKept(given) ?? message) });
      if (misfits.length === most) throw enough;
    });
    return { coerced, misfits };
  } catch (error) {
    if (error !== enough) throw error;
    return { coerced: undefined, misfits };
  }
}

/** Where something is within a field, such as `[2].covered.start: `. */
function placeIn(path: readonly (string | number)[]): string {
  const steps = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('');
  return steps && `${steps.replace(/^\./, '')}: `;
}
