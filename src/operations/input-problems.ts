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

interface Misfit {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/**
 * Everything that is wrong with the lists of items, of types with `findProblems`, that an operation has among its variables,
 * of which graphql-js says only what does not fit its types.
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
    const misfits: Misfit[] = [];
    const coerced = coerceInputValue(variables[variable.name.value], type, (path, invalid, { message }) => {
      // Of a field that is missing, or that nobody knows, graphql-js speaks as of the object.
      const field = /^Field "(\w*)"/.exec(message)?.[1];
      const given = field !== undefined && isObject(invalid) ? invalid[field] : invalid;
      misfits.push({ path: field === undefined ? path : [...path, field], message: whyNotKept(given) ?? message });
    });
    problems.push(...problemsIn(type, coerced, { path: [], misfits, limits }));
  }
  return problems.slice(0, limits.listedProblems);
}

interface Place {
  readonly path: readonly (string | number)[];
  readonly misfits: readonly Misfit[];
  readonly limits: Limits;
}

function problemsIn(type: GraphQLInputType, value: unknown, place: Place): InputProblem[] {
  if (isNonNullType(type)) return problemsIn(type.ofType, value, place);
  if (isListType(type)) return Array.isArray(value) ? problemsOfList(type.ofType, value, place) : [];
  if (!isInputObjectType(type) || !isObject(value)) return [];
  return Object.values(type.getFields()).flatMap((field) =>
    problemsIn(field.type, value[field.name], { ...place, path: [...place.path, field.name] }),
  );
}

function problemsOfList(itemType: GraphQLInputType, items: readonly unknown[], place: Place): InputProblem[] {
  const type = isNonNullType(itemType) ? itemType.ofType : itemType;
  const find = isInputObjectType(type) ? type.extensions.findProblems : undefined;
  if (typeof find !== 'function') return [];
  const findProblems = find as FindProblems; // nothing else is put there under this name
  const depth = place.path.length;
  const ownMisfits = new Map<unknown, Misfit[]>();
  for (const misfit of place.misfits) {
    if (!place.path.every((step, at) => misfit.path[at] === step)) continue;
    const own = ownMisfits.get(misfit.path[depth]) ?? [];
    own.push(misfit);
    ownMisfits.set(misfit.path[depth], own);
  }
  return items.flatMap((item, index) => {
    const misfits = (ownMisfits.get(index) ?? []).map(({ path, message }) => ({
      index,
      field: String(path[depth + 1] ?? ''),
      message: placeIn(path.slice(depth + 2)) + message,
    }));
    misfits.sort((one, other) => Number(one.field !== '') - Number(other.field !== '')); // what is wrong with all of it
    const known = new Set(misfits.map(({ field }) => field));
    const further = isObject(item) ? findProblems(item, place.limits).filter(({ field }) => !known.has(field)) : [];
    return [...misfits, ...further.map((problem) => ({ index, ...problem }))];
  });
}

/** Where something is within a field, such as `[2].covered.start: `. */
function placeIn(path: readonly (string | number)[]): string {
  const steps = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('');
  return steps && `${steps.replace(/^\./, '')}: `;
}
