import { visibility } from '../auth/permissions.ts';
import { isStorable } from '../db/columns.ts';
import type { SyncRun as SyncRunRow } from '../db/rows.ts';
import { checkFilter } from '../events/events.graphql.ts';
import type { WordTypes } from '../events/words.graphql.ts';
import type { Batch } from '../graphql/batch.ts';
import type { Builder } from '../graphql/builder.ts';
import { pageOf } from '../graphql/items.ts';
import { pageSizes } from '../graphql/limit-texts.ts';
import { fetchConnection, isKeyTime, keyCursor, parsePage } from '../graphql/paging.ts';
import type { UserTypes } from '../users/users.graphql.ts';
import type { HistoryPageRequest, OpenedRun, WantedRun } from './run-history.ts';
import type { RunTypes } from './runs.graphql.ts';

const historyPages: Batch<HistoryPageRequest, readonly SyncRunRow[]> = {
  keyOf: JSON.stringify,
  restsOn: { owner: ({ userId }) => userId },
  find: (requests, { runHistory }) => runHistory.list(requests),
};

const runsById: Batch<WantedRun, SyncRunRow | null> = {
  keyOf: JSON.stringify,
  find: async (wanted, { runHistory }) => (await runHistory.find(wanted)).map((run) => run ?? null),
};

const openingCursor = keyCursor<OpenedRun>(
  ({ openedAt, runId }) => ['opened', openedAt.getTime(), runId],
  ([kind, time, runId]) =>
    kind === 'opened' && isKeyTime(time) && typeof runId === 'string' && isStorable(runId)
      ? { openedAt: new Date(time), runId }
      : undefined,
);

/** The history of a user's runs: in the order in which they opened, whatever came later. */
export function addRunHistory(
  builder: Builder,
  { User }: UserTypes,
  { SyncRun, SyncRunConnection }: RunTypes,
  { SyncScope }: WordTypes,
): void {
  const SyncHistoryFilter = builder.inputType('SyncHistoryFilter', {
    description:
      'Which runs of a history are wanted: those that match every given part. An empty list matches nothing.',
    fields: (t) => ({
      providers: t.stringList({ description: 'Any of these providers.' }),
      scopes: t.field({ type: [SyncScope], description: 'Any of these scopes.' }),
      since: t.field({ type: 'DateTime', description: 'Opened then or later.' }),
      coveredFrom: t.field({
        type: 'DateTime',
        description:
          'The window of the run, or the span of what it stored of a type of data, ends after this. A span of which a bound is not known does not count.',
      }),
      coveredTo: t.field({
        type: 'DateTime',
        description:
          'The window of the run, or the span of what it stored of a type of data, begins before this. With `coveredFrom`, one and the same span has to fulfil both.',
      }),
    }),
  });
  builder.prismaObjectField(User, 'syncHistory', (t) =>
    t.field({
      type: SyncRunConnection,
      ...pageOf(),
      description: `The user's runs by when they opened, newest first; of those that opened at once, by their ids. A run opens with its first start or end, and keeps its place. ${pageSizes()}.`,
      args: {
        ...t.arg.connectionArgs(),
        filter: t.arg({ type: SyncHistoryFilter, description: 'Only runs that match.' }),
      },
      authScopes: { read: true },
      resolve: ({ id }, { filter, ...args }, { limits, load }) => {
        checkFilter(filter, limits);
        const page = parsePage(args, openingCursor, { size: limits.defaultPageSize, maxSize: limits.pageSize });
        return fetchConnection(
          page,
          ({ openedAt, runId, lastEventAt }: SyncRunRow) =>
            openingCursor.encode({ openedAt: openedAt ?? lastEventAt, runId }), // each has opened
          (wider) => load(historyPages, { ...wider, userId: id, filter }),
        );
      },
    }),
  );
  builder.queryField('syncRun', (t) =>
    t.field({
      type: SyncRun,
      nullable: true,
      description:
        'The run with this id that you may see; null when there is none. Two users may have runs of one id: of these it is the one that opened last.',
      args: { runId: t.arg.id({ required: true, description: "The producer's id of the run." }) },
      authScopes: { read: true },
      resolve: (_, { runId }, { viewer, load }) => load(runsById, { runId, visible: visibility(viewer) }),
    }),
  );
}
