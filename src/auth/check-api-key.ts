import { badInput } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { type Scope, scopesAmong } from './viewer.ts';

export interface ApiKeyDraft {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Null for a key that lasts until it is revoked. */
  readonly expiresAt: Date | null;
}

/** The draft as it is to be stored. @throws AppError BAD_USER_INPUT */
export function checkDraft(draft: ApiKeyDraft, limits: Pick<Limits, 'apiKeyNameLength'>, now: number): ApiKeyDraft {
  const name = draft.name.trim();
  if (name === '' || name.length > limits.apiKeyNameLength)
    throw badInput(`name must have 1 to ${limits.apiKeyNameLength} characters`, ['input', 'name']);
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(name) || !name.isWellFormed())
    throw badInput('name must be one line of well-formed Unicode', ['input', 'name']);
  const scopes = scopesAmong(draft.scopes);
  if (scopes.length === 0) throw badInput('scopes must name at least one scope', ['input', 'scopes']);
  if (draft.expiresAt) checkExpiry(draft.expiresAt, now);
  return { name, scopes, expiresAt: draft.expiresAt };
}

/** @throws AppError BAD_USER_INPUT */
export function checkExpiry(expiresAt: Date, now: number): void {
  // Negated, so that an invalid date is refused as well.
  if (!(expiresAt.getTime() > now)) throw badInput('expiresAt must be in the future', ['input', 'expiresAt']);
}
