import type { Database } from '../db/database.ts';
import type { ProviderDataType, SyncRunDataType } from '../db/rows.ts';
import { joinSql, SELECTS_PER_STATEMENT, type Sql, sql } from '../db/sql.ts';
import { groupBy } from '../lib/group-by.ts';
import { inPieces } from '../lib/in-pieces.ts';
import type { Limits } from '../limits.ts';
import { runKey } from '../log/record/fold-run.ts';
import { selectedProviderDataType, selectedRunDataType } from './data-type-sql.ts';

interface RunId {
  readonly userId: string;
  readonly runId: string;
}

/** What tells a connection from others. */
export interface ConnectionId {
  readonly userId: string;
  readonly provider: string;
}

type DataTypeLimits = Pick<Limits, 'dataTypesPerRun' | 'dataTypesPerConnection'>;

/** What was done with each type of data, for reading: the projections write it. */
export class DataTypes {
  readonly #database: Database;
  readonly #limits: DataTypeLimits;

  constructor(parts: { readonly database: Database; readonly limits: DataTypeLimits }) {
    this.#database = parts.database;
    this.#limits = parts.limits;
  }

  /** The types of each of these runs, by name and at most `dataTypesPerRun`. Up to a hundred runs are one statement. */
  async ofRuns(runs: readonly RunId[]): Promise<readonly (readonly SyncRunDataType[])[]> {
    const rows = await this.#select<RunId, SyncRunDataType>(
      runs,
      ({ userId, runId }) => sql`
        SELECT ${selectedRunDataType} FROM sync_run_data_type d WHERE d.user_id = ${userId} AND d.run_id = ${runId}
        ORDER BY d.data_type LIMIT ${this.#limits.dataTypesPerRun}`,
    );
    const byRun = groupBy(rows, runKey);
    return runs.map((run) => byRun.get(runKey(run)) ?? []);
  }

  /** The types of each of these connections, by name and at most `dataTypesPerConnection`. Up to a hundred are one statement. */
  async ofConnections(connections: readonly ConnectionId[]): Promise<readonly (readonly ProviderDataType[])[]> {
    const rows = await this.#select<ConnectionId, ProviderDataType>(
      connections,
      ({ userId, provider }) => sql`
        SELECT ${selectedProviderDataType} FROM provider_data_type d
        WHERE d.user_id = ${userId} AND d.provider = ${provider}
        ORDER BY d.data_type LIMIT ${this.#limits.dataTypesPerConnection}`,
    );
    const byConnection = groupBy(rows, connectionKey);
    return connections.map((connection) => byConnection.get(connectionKey(connection)) ?? []);
  }

  async #select<Key, Row>(keys: readonly Key[], select: (key: Key) => Sql): Promise<readonly Row[]> {
    const found: Row[] = [];
    for (const some of inPieces(keys, SELECTS_PER_STATEMENT)) {
      const selects = some.map((key) => sql`SELECT * FROM (${select(key)}) AS p`);
      found.push(
        ...(await this.#database.reader.$queryRaw<Row[]>`${joinSql(selects, ' UNION ALL ')} ORDER BY "dataType"`),
      );
    }
    return found;
  }
}

/** A connection's key as one text, for maps. */
export function connectionKey({ userId, provider }: ConnectionId): string {
  return `${userId} ${provider}`;
}
