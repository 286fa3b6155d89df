import { AppError } from '../../errors.ts';
import type { Limits } from '../../limits.ts';
import { type Headers, json } from '../answer.ts';

/** A list as an answer. @param items the JSON of each. @throws AppError LIMIT_EXCEEDED */
export function listAnswer(items: readonly string[], limits: Limits, headers: Headers = {}): Response {
  requireAnswerable(items, limits);
  return json(200, `[${items.join(',')}]`, headers);
}

/** Holds a list to what an answer over GraphQL may be, however many documents are run for it. @throws AppError LIMIT_EXCEEDED */
export function requireAnswerable(items: readonly string[], { answerLength }: Limits): void {
  const length = items.reduce((sum, text) => sum + text.length + 1, 1);
  if (length <= answerLength) return;
  const message = `An answer may have at most ${answerLength} characters, and this one would have more: lower \`limit\``;
  throw new AppError('LIMIT_EXCEEDED', message);
}
