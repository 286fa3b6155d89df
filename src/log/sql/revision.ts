import type { Provider, Write } from '../../db/database.ts';
import { arrayOf } from '../../db/postgres-array.ts';

/** Makes the rows of these users other ones: something of them has changed without an event, and kept answers rest on the rows. */
export const raiseRevisions: Readonly<Record<Provider, (userIds: readonly string[]) => Write>> = {
  sqlite: (userIds) => ({
    text: 'UPDATE user SET revision = revision + 1 WHERE id = ?',
    rows: userIds.map((id) => [id]),
  }),
  postgresql: (userIds) => ({
    text: 'UPDATE "user" SET revision = revision + 1 WHERE id = ANY($1::uuid[])',
    rows: [[arrayOf(userIds, String)]],
  }),
};
