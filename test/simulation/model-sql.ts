import type { SyncRun } from '../../src/db/rows.ts';
import type { ChangedRowSql } from '../../src/log/changes/watched-rows.ts';
import { runKey } from '../../src/log/record/fold-run.ts';
import type { LockedLogs, LogSql, PagedEvent } from '../../src/log/sql/log-sql.ts';
import { ModelWrite, on } from './model-database.ts';
import { modelRunSql } from './model-run-sql.ts';
import { ModelError, type ModelServer, type UserRow } from './model-server.ts';

/** The statements of the log and of changed runs, executed by the model. What subscriptions do not need is missing. */
export function modelSql(
  server: ModelServer,
  onRemoved: (user: UserRow, before: number) => void,
): LogSql & ChangedRowSql {
  const lockedLogs = (rows: readonly UserRow[], lockedByOthers: readonly UserRow[], change: bigint): LockedLogs => ({
    heads: new Map(rows.filter(isThere).map(({ id, head }) => [id, head])),
    lockedByOthers: new Set(lockedByOthers.map(({ id }) => id)),
    change,
  });
  const isThere = (row: UserRow) => server.users.get(row.id) === row;
  const rowsOf = (ids: readonly string[]) => [...new Set(ids)].sort().flatMap((id) => server.users.get(id) ?? []);
  const found = ({ id, head, tail, createdAt }: UserRow) => ({
    ...{ userId: id, headSequence: head.sequence, tailSequence: tail, createdAt },
  });

  return {
    findLogs: (database, ids) => on(database).ask((_, done) => done(rowsOf(ids).map(found))),

    listLogs: (database, after, limit) =>
      on(database).ask((_, done) =>
        done(
          rowsOf([...server.users.keys()])
            .filter(({ id }) => after === undefined || id > after)
            .slice(0, limit)
            .map(found),
        ),
      ),

    lockUsers: (database, ids, locking) =>
      on(database).ask<LockedLogs>((transaction, done) => {
        if (transaction.state !== 'open') return done(new ModelError('25P02'));
        const change = server.changeOf(transaction);
        const rows = rowsOf(ids);
        const lockedByOthers = locking === 'skip' ? rows.filter((row) => server.isLocked(row, transaction)) : [];
        const free = rows.filter((row) => !lockedByOthers.includes(row));
        const lockFrom = (at: number) => {
          const row = free[at];
          if (!row) return done(lockedLogs(free, lockedByOthers, change));
          server.lock(row, transaction, (error) => (error ? done(error) : lockFrom(at + 1)));
        };
        lockFrom(0);
      }),

    readEventsById: (database, ids) =>
      on(database).ask((_, done) => done(ids.flatMap((id) => server.eventById(id) ?? []))),

    readRuns: (database, keys) =>
      on(database).ask<SyncRun[]>((_, done) => done(keys.flatMap((key) => server.runs.get(runKey(key))?.run ?? []))),

    insertEvents: (events) => new ModelWrite((by) => server.addEvents(events, by)),

    upsertRuns: (runs) => new ModelWrite((by) => server.storeRuns(runs, by)),

    raiseHeads: ({ heads }) => [new ModelWrite(() => server.raiseHeads(heads))],

    raiseTail: (transaction, { id, createdAt }, tail) =>
      on(transaction).ask<boolean>((own, done) => {
        const row = server.users.get(id);
        if (!row || row.createdAt.getTime() !== createdAt.getTime()) return done(false);
        server.lock(row, own, (error) => {
          if (error) return done(error);
          if (!isThere(row)) return done(false);
          own.writes.push(() => {
            row.tail = Math.max(row.tail, tail);
          });
          done(true);
        });
      }),

    removeBefore: (transaction, userId, tail) =>
      on(transaction).ask((own, done) => {
        const row = server.users.get(userId);
        if (!row) return done({ events: 0, runs: 0 });
        const events = [...row.events.keys()].filter((sequence) => sequence < tail).length;
        own.writes.push(() => {
          onRemoved(row, tail);
          server.removeBefore(row, tail);
        });
        done({ events, runs: 0 });
      }),

    findByAge: (database, { userId, from, end }, age, { cutoff, latest }) =>
      on(database).ask((_, done) => {
        const isWanted = ({ recordedAt, timestamp }: { recordedAt: Date; timestamp: Date }) => {
          const isYoungToProducer = timestamp >= cutoff && timestamp <= latest;
          return age === 'young'
            ? recordedAt >= cutoff && (recordedAt <= latest || isYoungToProducer)
            : (recordedAt < cutoff && !isYoungToProducer) || (recordedAt > latest && timestamp < cutoff);
        };
        const wanted = [...(server.users.get(userId)?.events.values() ?? [])]
          .map(({ event }) => event)
          .filter(({ sequence }) => sequence >= from && sequence < end)
          .filter(isWanted);
        done((age === 'young' ? wanted[0] : wanted.at(-1))?.sequence);
      }),

    readRanges: (database, ranges) =>
      on(database).ask<PagedEvent[]>((_, done) =>
        done(
          ranges.flatMap(({ userId, after, upTo, createdAt }, page) => {
            const row = server.users.get(userId);
            if (createdAt && createdAt.getTime() !== row?.createdAt.getTime()) return [];
            const { events, head } = row ?? {};
            const answer: PagedEvent[] = [];
            for (let sequence = Math.min(upTo, head?.sequence ?? 0); sequence > after; sequence -= 1) {
              const { event } = events?.get(sequence) ?? {};
              if (event) answer.push({ event, page });
            }
            return answer; // in no order that anybody may rely on
          }),
        ),
      ),

    ...modelRunSql(server),
    ...{ readFilteredPages: missing, findRunEvents: missing },
    ...{ findWeighedEnds: missing, findRecordedBefore: missing },
    ...{ findKinds: missing, readPagesOfKinds: missing },
    ...{ readBatches: missing, upsertBatches: missing }, // its producers name none
  };
}

function missing(): never {
  throw new Error('the model does not have this statement');
}
