import type { SyncRun } from '../../src/db/rows.ts';
import type { RunSql, RunState } from '../../src/runs/run-sql.ts';
import { on } from './model-database.ts';
import type { ModelServer } from './model-server.ts';

/** The statements by which changed runs are found, executed by the model. */
export function modelRunSql(server: ModelServer): Omit<RunSql, 'findLogs' | 'readRuns'> {
  const runs = () => [...server.runs.values()].map(({ run }) => run);
  return {
    readSnapshot: (database) => on(database).ask((_, done) => done(server.snapshot())),

    findChanged: (database, last, now, { after, limit }) =>
      on(database).ask<RunState[]>((_, done) => {
        const isNew = ({ change }: SyncRun) => change >= last.end || last.open.includes(Number(change));
        const isSeen = ({ change }: SyncRun) => change < now.end;
        const isLater = (run: SyncRun) => !after || inOrder(after, run) < 0;
        done(
          runs()
            .filter((run) => isNew(run) && isSeen(run) && isLater(run))
            .sort(inOrder)
            .slice(0, limit),
        );
      }),

    findNewest: (database, now, { after, limit }) =>
      on(database).ask<SyncRun[]>((_, done) => {
        const isEarlier = (run: SyncRun) => run.change < now.end && (!after || inOrder(run, after) < 0);
        done(runs().filter(isEarlier).sort(inOrder).reverse().slice(0, limit));
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
function inOrder(one: RunState, other: RunState): number {
  if (one.change !== other.change) return one.change < other.change ? -1 : 1;
  const [a, b] = [`${one.userId} ${one.runId}`, `${other.userId} ${other.runId}`];
  return a < b ? -1 : Number(a > b);
}
