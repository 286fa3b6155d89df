import type { Queryable } from '../db/database.ts';
import { sql } from '../db/sql.ts';

/**
 * Fingerprints of the entries in quarantine that tell of a user: those that name the user where they were found, in their text or
 * in what is wrong with them. What was not stored is tried again, and may be another's that only names the user: of its text, it has
 * to be the owner. The quarantine has a bound, so that all of it can be looked through.
 * @param id lower-case UUID
 * @param since looks at what was first seen from then on alone
 */
export async function quarantinedOf(queryable: Queryable, id: string, since?: Date): Promise<string[]> {
  const isNew = since ? sql`source IN (SELECT name FROM source) AND first_seen_at >= ${since}` : sql`true`;
  const named = `%${id}%`;
  const [owned, ownedAfterBlank] = [`%"user_id":"${id}"%`, `%"user_id": "${id}"%`];
  const found = await queryable.$queryRaw<{ readonly fingerprint: string }[]>`
    SELECT fingerprint FROM quarantined_entry
    WHERE ${isNew} AND (lower(place) LIKE ${named}
      OR (reason <> 'not_stored' AND (lower(payload) LIKE ${named} OR lower(detail) LIKE ${named}))
      OR (reason = 'not_stored' AND (lower(payload) LIKE ${owned} OR lower(payload) LIKE ${ownedAfterBlank})))`;
  return found.map(({ fingerprint }) => fingerprint);
}
