import type { Database } from '../db/database.ts';

/**
 * Fingerprints of the entries in quarantine that tell of a user: those that name the user where they were found, in their text or
 * in what is wrong with them. What was not stored is tried again, and may be another's that only names the user: of its text, it has
 * to be the owner. The quarantine has a bound, so that all of it can be looked through.
 * @param id lower-case UUID
 */
export async function quarantinedOf({ reader }: Pick<Database, 'reader'>, id: string): Promise<string[]> {
  const named = `%${id}%`;
  const [owned, ownedAfterBlank] = [`%"user_id":"${id}"%`, `%"user_id": "${id}"%`];
  const found = await reader.$queryRaw<{ readonly fingerprint: string }[]>`
    SELECT fingerprint FROM quarantined_entry
    WHERE lower(place) LIKE ${named}
      OR (reason <> 'not_stored' AND (lower(payload) LIKE ${named} OR lower(detail) LIKE ${named}))
      OR (reason = 'not_stored' AND (lower(payload) LIKE ${owned} OR lower(payload) LIKE ${ownedAfterBlank}))`;
  return found.map(({ fingerprint }) => fingerprint);
}
