import type { SyncRun } from '../../src/db/rows.ts';
import { type ChangedRowSql, keyOfRow, type RowState } from '../../src/log/changes/watched-rows.ts';
import type { LogSql } from '../../src/log/sql/log-sql.ts';
import { on } from './model-database.ts';
import type { ModelServer } from './model-server.ts';

/** The statements by which changed runs are found, executed by the model. */
export function modelRunSql(server: ModelServer): ChangedRowSql & Pick<LogSql, 'readChangedRuns'> {
  const runs = () => [...server.runs.values()].map(({ run }) => run);
  const states = () =>
    runs().map(({ userId, runId, lastSequence, change, recordedAt }) => ({
      ...{ userId, name: runId, lastSequence, change, recordedAt },
    }));
  return {
    readSnapshot: (database) => on(database).ask((_, done) => done(server.snapshot())),

    findChanged: (database, last, now, { after, limit }) =>
      on(database).ask<RowState[]>((_, done) => {
        const isNew = ({ change }: RowState) => change >= last.end || last.open.includes(Number(change));
        const isSeen = ({ change }: RowState) => change < now.end;
        const isLater = (row: RowState) => !after || inOrder(after, row) < 0;
        done(
          states()
            .filter((row) => isNew(row) && isSeen(row) && isLater(row))
            .sort(inOrder)
            .slice(0, limit),
        );
      }),

    findNewest: (database, now, { after, limit }) =>
      on(database).ask<(RowState & Pick<SyncRun, 'recordedAt'>)[]>((_, done) => {
        const isEarlier = (row: RowState) => row.change < now.end && (!after || inOrder(row, after) < 0);
        done(states().filter(isEarlier).sort(inOrder).reverse().slice(0, limit));
      }),

    readChangedRuns: (database, logs) =>
      on(database).ask<SyncRun[]>((_, done) => {
        const after = new Map(logs.map((log) => [log.userId, log.after]));
        const isMeant = ({ userId, lastSequence }: SyncRun) => lastSequence > (after.get(userId) ?? lastSequence);
        done(
          runs()
            .filter(isMeant)
            .sort((a, b) => a.lastSequence - b.lastSequence),
        );
      }),
  };
}

/** By the change, and then by the key. */
function inOrder(one: RowState, other: RowState): number {
  if (one.change !== other.change) return one.change < other.change ? -1 : 1;
  const [a, b] = [keyOfRow(one), keyOfRow(other)];
  return a < b ? -1 : Number(a > b);
}
