import type { Database } from '../db/database.ts';
import type { SyncRunDataType } from '../db/rows.ts';
import { joinSql, SELECTS_PER_STATEMENT, sql } from '../db/sql.ts';
import { groupBy } from '../lib/group-by.ts';
import { inPieces } from '../lib/in-pieces.ts';
import type { Limits } from '../limits.ts';
import { runKey } from '../log/record/fold-run.ts';
import { selectedDataType } from './data-type-sql.ts';

interface RunId {
  readonly userId: string;
  readonly runId: string;
}

/** What runs did with each type of data, for reading: the projection writes it. */
export class DataTypes {
  readonly #database: Database;
  readonly #limits: Pick<Limits, 'dataTypesPerRun'>;

  constructor(parts: { readonly database: Database; readonly limits: Pick<Limits, 'dataTypesPerRun'> }) {
    this.#database = parts.database;
    this.#limits = parts.limits;
  }

  /** The types of each of these runs, by name and at most `dataTypesPerRun`. */
  async ofRuns(runs: readonly RunId[]): Promise<readonly (readonly SyncRunDataType[])[]> {
    const found: SyncRunDataType[] = [];
    for (const some of inPieces(runs, SELECTS_PER_STATEMENT)) {
      const selects = some.map(
        ({ userId, runId }) => sql`SELECT * FROM (
          SELECT ${selectedDataType} FROM sync_run_data_type d WHERE d.user_id = ${userId} AND d.run_id = ${runId}
          ORDER BY d.data_type LIMIT ${this.#limits.dataTypesPerRun}) AS p`,
      );
      const rows = this.#database.reader.$queryRaw<SyncRunDataType[]>`
        ${joinSql(selects, ' UNION ALL ')} ORDER BY "dataType"`;
      found.push(...(await rows));
    }
    const byRun = groupBy(found, runKey);
    return runs.map((run) => byRun.get(runKey(run)) ?? []);
  }
}
