import type { Provider, Write } from './database.ts';
import { arrayOf, quoted } from './postgres-array.ts';

interface RunKey {
  readonly userId: string;
  readonly runId: string;
}

/** How the rows of a table that belong to these runs are removed. */
export function removalOfRuns(table: string): Readonly<Record<Provider, (runs: readonly RunKey[]) => Write>> {
  return {
    sqlite: (runs) => ({
      text: `DELETE FROM ${table} WHERE user_id = ? AND run_id = ?`,
      rows: runs.map(({ userId, runId }) => [userId, runId]),
    }),
    postgresql: (runs) => ({
      text: `DELETE FROM ${table} t USING unnest($1::uuid[], $2::text[]) k(user_id, run_id)
        WHERE t.user_id = k.user_id AND t.run_id = k.run_id`,
      rows: [[arrayOf(runs, ({ userId }) => userId), arrayOf(runs, ({ runId }) => quoted(runId))]],
    }),
  };
}
