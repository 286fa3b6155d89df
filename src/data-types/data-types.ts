import { isDeepStrictEqual } from 'node:util';
import { connectionUpsert, selectConnections } from '../connections/connection-sql.ts';
import type { Database, Decision } from '../db/database.ts';
import type { ProviderDataType, ProviderLink, SyncRunDataType } from '../db/rows.ts';
import { emptySql, type Sql, sql } from '../db/sql.ts';
import type { WakeUps } from '../instances/wake-ups.ts';
import { groupBy } from '../lib/group-by.ts';
import type { Limits } from '../limits.ts';
import { newestAt, runKey } from '../log/record/fold-run.ts';
import { logSqlOf } from '../log/sql/log-sql-of.ts';
import { noteChange } from '../log/sql/revision.ts';
import type { StatusWord } from '../log/words.ts';
import { type HearCounts, readCounted } from './counted-reads.ts';
import {
  providerDataTypeUpsert,
  runDataTypeUpsert,
  selectedProviderDataType,
  selectedRunDataType,
  selectProviderDataTypes,
  selectRunDataTypes,
} from './data-type-sql.ts';
import { type DataTypeVerdict, foldConnectionVerdict, foldRunVerdict } from './fold-verdict.ts';

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

/** What became of a verdict: `nowhere` where neither a provider nor a run that is known says which connection it is about. */
type VerdictOutcome = 'recorded' | 'duplicate' | 'unknown_user' | 'nowhere';

/** What was done with each type of data. What events tell of it, the projections write. */
export class DataTypes {
  readonly #database: Database;
  readonly #limits: DataTypeLimits;
  readonly #wakeUps: WakeUps;

  constructor(parts: { readonly database: Database; readonly limits: DataTypeLimits; readonly wakeUps: WakeUps }) {
    this.#database = parts.database;
    this.#limits = parts.limits;
    this.#wakeUps = parts.wakeUps;
  }

  /** The types of each of these runs, by name and at most `dataTypesPerRun`. A few runs are one statement. */
  async ofRuns(runs: readonly RunId[], hear?: HearCounts): Promise<readonly (readonly SyncRunDataType[])[]> {
    const rows = await readCounted<RunId, SyncRunDataType>(this.#database.reader, {
      keys: runs,
      most: this.#limits.dataTypesPerRun,
      selected: selectedRunDataType,
      from: ({ userId, runId }) => sql`FROM sync_run_data_type d WHERE d.user_id = ${userId} AND d.run_id = ${runId}`,
      hear,
    });
    const byRun = groupBy(rows, runKey);
    return runs.map((run) => byRun.get(runKey(run)) ?? []);
  }

  /** The types of each of these connections, by name and at most `dataTypesPerConnection`. A few are one statement. */
  ofConnections(
    connections: readonly ConnectionId[],
    hear?: HearCounts,
  ): Promise<readonly (readonly ProviderDataType[])[]> {
    return this.#ofConnections(connections, emptySql, hear);
  }

  /** The same of those types alone that have failed. */
  failedOfConnections(connections: readonly ConnectionId[]): Promise<readonly (readonly ProviderDataType[])[]> {
    return this.#ofConnections(connections, sql`AND d.status = ${'failed' satisfies StatusWord}`);
  }

  async #ofConnections(connections: readonly ConnectionId[], isWanted: Sql, hear?: HearCounts) {
    const rows = await readCounted<ConnectionId, ProviderDataType>(this.#database.reader, {
      keys: connections,
      most: this.#limits.dataTypesPerConnection,
      selected: selectedProviderDataType,
      from: ({ userId, provider }) => sql`
        FROM provider_data_type d WHERE d.user_id = ${userId} AND d.provider = ${provider} ${isWanted}`,
      hear,
    });
    const byConnection = groupBy(rows, connectionKey);
    return connections.map((connection) => byConnection.get(connectionKey(connection)) ?? []);
  }

  /**
   * Takes a verdict. Resolves once it is durable. One transaction, under the lock of the user. It is no event: how the run stands
   * does not change, nor how the connection does, though streams tell of both again. As no event tells it, a run that an earlier
   * release has written loses it when it is folded anew.
   * @throws AppError UNAVAILABLE where somebody else keeps the user locked
   */
  async tell(verdict: DataTypeVerdict): Promise<VerdictOutcome> {
    const { kind } = this.#database;
    const { userId, runId, dataType } = verdict;
    const log = logSqlOf(this.#database);
    const outcome = await this.#database.change(async (reading): Promise<Decision<VerdictOutcome>> => {
      const [{ heads, change }, [run]] = await Promise.all([
        log.lockUsers(reading, [userId], 'wait'),
        runId === null ? [] : log.readRuns(reading, [{ userId, runId }]),
      ]);
      if (!heads.has(userId)) return { answer: 'unknown_user', writes: [] };
      const provider = run?.provider ?? verdict.provider ?? undefined;
      if (provider === undefined) return { answer: 'nowhere', writes: [] };
      const [[before], [ofLink], [link]] = await Promise.all([
        run ? reading.$queryRaw<SyncRunDataType[]>(selectRunDataTypes[kind]([[userId, run.runId, dataType]])) : [],
        reading.$queryRaw<ProviderDataType[]>(selectProviderDataTypes[kind]([[userId, provider, dataType]])),
        reading.$queryRaw<ProviderLink[]>(selectConnections[kind]([[userId, provider]])),
      ]);
      const after = run && foldRunVerdict(before, run.runId, verdict);
      const ofRun = run && after && { before, after, at: newestAt(run) };
      const ofLinkAfter = foldConnectionVerdict(ofLink, provider, verdict, ofRun);
      const ofRuns =
        run && after && !isDeepStrictEqual(after, before)
          ? [log.upsertRuns([{ ...run, change }]), runDataTypeUpsert[kind]([after])]
          : [];
      const ofLinks = isDeepStrictEqual(ofLinkAfter, ofLink)
        ? []
        : [
            ...(link ? [connectionUpsert[kind]([{ ...link, change }])] : []),
            providerDataTypeUpsert[kind]([ofLinkAfter]),
          ];
      const writes = [...ofRuns, ...ofLinks];
      if (writes.length === 0) return { answer: 'duplicate', writes };
      return { answer: 'recorded', writes: [...writes, ...noteChange[kind]([userId], change)] };
    });
    if (outcome === 'recorded') this.#wakeUps.notify({ kind: 'touched', userId });
    return outcome;
  }
}

/** A connection's key as one text, for maps. */
export function connectionKey({ userId, provider }: ConnectionId): string {
  return `${userId} ${provider}`;
}
