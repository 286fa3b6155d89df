import type { z } from 'zod';
import { readPostgresUrl, sslModes } from '../db/postgres-url.ts';
import type { settings } from './settings.ts';

/**
 * A key set alone would accept any token of its issuer, so it must come with whom to trust and for what. Tokens of the shared
 * secret are not held against these, so that they come with a key set.
 */
export function missingBesideJwks(given: Readonly<Record<string, string | undefined>>): string[] {
  const names = ['JWT_JWKS_URL', 'JWT_ISSUER', 'JWT_AUDIENCE'];
  const found = names.find((name) => given[name]);
  if (found === undefined) return [];
  return names.filter((name) => !given[name]).map((name) => `${name} must be set when ${found} is`);
}

/** Both URLs lead to the same tables. */
export function wrongDirectUrl({ DATABASE_URL: url, DATABASE_DIRECT_URL: direct }: z.infer<typeof settings>): string[] {
  if (direct === undefined) return [];
  if (url.startsWith('file:')) return ['DATABASE_DIRECT_URL is set, but DATABASE_URL names no Postgres'];
  if (readPostgresUrl(url).schema === readPostgresUrl(direct).schema) return [];
  return ['DATABASE_DIRECT_URL must name the schema that DATABASE_URL names, or both none'];
}

/** pg encrypts nothing for a word in PGSSLMODE that it does not know, and cuts no space off. */
export function wrongPgSslMode(
  { PGSSLMODE: word }: Readonly<Record<string, string | undefined>>,
  { DATABASE_URL: url, DATABASE_DIRECT_URL: direct }: z.infer<typeof settings>,
): string[] {
  const counts = [url, direct].some((url) => url?.startsWith('postgres') && readPostgresUrl(url).sslMode === undefined);
  if (!counts || !word || [...sslModes, 'no-verify'].includes(word)) return [];
  return [`PGSSLMODE must be one of ${sslModes.join(', ')}`];
}
