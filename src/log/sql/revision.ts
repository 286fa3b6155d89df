import type { Provider, Write } from '../../db/database.ts';
import { arrayOf } from '../../db/postgres-array.ts';
import type { LockedLogs } from './log-sql.ts';

/**
 * Notes that a transaction has changed something of these users without an event: it makes their rows other ones, which kept
 * answers rest on, and takes its number.
 */
export const noteChange: Readonly<
  Record<Provider, (userIds: readonly string[], change: LockedLogs['change']) => readonly Write[]>
> = {
  sqlite: (userIds, change) => [
    { text: 'UPDATE user SET revision = revision + 1 WHERE id = ?', rows: userIds.map((id) => [id]) },
    { text: "UPDATE log_state SET change = ? WHERE name = 'log'", rows: [[Number(change)]] },
  ],
  postgresql: (userIds) => [
    {
      text: 'UPDATE "user" SET revision = revision + 1 WHERE id = ANY($1::uuid[])',
      rows: [[arrayOf(userIds, String)]],
    },
  ],
};
