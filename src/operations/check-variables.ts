import { AppError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import type { Variables } from './valid-operation.ts';

/**
 * The refusal of variables that are nested too deep, before anything walks through them by recursion.
 * @returns undefined where none is
 */
export function refuseDeepVariables(
  variables: Variables,
  { variableDepth }: Pick<Limits, 'variableDepth'>,
): AppError | undefined {
  for (const name of Object.keys(variables))
    if (isDeeper(variables[name], variableDepth))
      return new AppError(
        'LIMIT_EXCEEDED',
        `The value of a variable may be nested at most ${variableDepth} deep, and that of \`$${name}\` is deeper`,
      );
  return undefined;
}

/** Is a value of JSON nested deeper than so many levels? */
export function isDeeper(value: unknown, most: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (most === 0) return true;
  if (Array.isArray(value)) return value.some((item) => isDeeper(item, most - 1));
  const fields = value as Readonly<Record<string, unknown>>; // JSON, which inherits nothing that can be enumerated
  for (const name in fields) if (isDeeper(fields[name], most - 1)) return true;
  return false;
}
