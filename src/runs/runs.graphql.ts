import { visibility } from '../auth/permissions.ts';
import { isStorable } from '../db/columns.ts';
import type { SyncRun as SyncRunRow } from '../db/rows.ts';
import { AppError } from '../errors.ts';
import { eventConnection, logOf } from '../events/event-connection.graphql.ts';
import { checkFilter, type EventTypes } from '../events/events.graphql.ts';
import { withinSight } from '../events/within-sight.ts';
import { addWordFields, enumValueOf, type WordTypes } from '../events/words.graphql.ts';
import type { Batch } from '../graphql/batch.ts';
import type { Builder, EnumOf } from '../graphql/builder.ts';
import type { Context } from '../graphql/context.ts';
import { addEnum } from '../graphql/enums.ts';
import { pageOf } from '../graphql/items.ts';
import { pageSizes } from '../graphql/limit-texts.ts';
import { fetchConnection, isKeyTime, keyCursor, type PageArgs, parsePage } from '../graphql/paging.ts';
import { isUuid } from '../lib/uuid.ts';
import type { LogBounds } from '../log/found-log.ts';
import { runKey } from '../log/record/fold-run.ts';
import { statusWords } from '../log/words.ts';
import { requireUser, type UserTypes } from '../users/users.graphql.ts';
import { addSyncRunFilter } from './run-filter.graphql.ts';
import type { SyncRunFilter } from './run-filter.ts';
import { type RunHealth, runHealth } from './run-health.ts';
import type { RunId, RunKey, RunPageRequest } from './runs.ts';

const runsById: Batch<RunId, SyncRunRow | null> = {
  keyOf: runKey,
  restsOn: { owner: ({ userId }) => userId },
  async find(ids, { runs }) {
    const found = new Map((await runs.byIds(ids)).map((run) => [runKey(run), run]));
    return ids.map((id) => found.get(runKey(id)) ?? null);
  },
};

/**
 * How many events of a run there are up to a head; null if some were removed, or may be beyond it. A count is about a log as it
 * was read before, so that whatever the run's row does not count yet is beyond the head.
 */
const eventCounts: Batch<{ readonly log: LogBounds; readonly runId: string }, number | null> = {
  keyOf: JSON.stringify,
  restsOn: { owner: ({ log }) => log.userId },
  async find(keys, { runs }) {
    const ids = keys.map(({ log, runId }) => ({ userId: log.userId, runId }));
    const found = new Map((await runs.byIds(ids)).map((run) => [runKey(run), run]));
    return keys.map(({ log: { userId, headSequence, tailSequence }, runId }) => {
      const run = found.get(runKey({ userId, runId }));
      return run && run.lastSequence <= headSequence && tailSequence === 1 ? run.eventCount : null;
    });
  },
};

const runPages: Batch<RunPageRequest, readonly SyncRunRow[]> = {
  keyOf: JSON.stringify,
  find: (requests, { runs }) => runs.list(requests),
};

const runCursor = keyCursor<RunKey>(
  ({ lastEventAt, userId, runId }) => [lastEventAt.getTime(), userId, runId],
  ([time, userId, runId]) =>
    isKeyTime(time) && typeof userId === 'string' && isUuid(userId) && typeof runId === 'string' && isStorable(runId)
      ? { lastEventAt: new Date(time), userId, runId }
      : undefined,
);

/** @param owner the user whose runs these are, where they are a field of a user. */
function runConnection(args: PageArgs, asked: SyncRunFilter | null | undefined, context: Context, owner?: string) {
  const { viewer, limits, now, load } = context;
  checkFilter(asked, limits);
  const filter = withinSight(asked, context);
  const page = parsePage(args, runCursor, { size: limits.defaultPageSize, maxSize: limits.pageSize });
  const userId = filter?.userId ?? owner;
  const isOfAnother = owner !== undefined && userId !== owner;
  return fetchConnection(
    page,
    (run: SyncRunRow) => runCursor.encode(run),
    // A user has no runs of another user.
    async (wider) =>
      isOfAnother ? [] : load(runPages, { ...wider, visible: visibility(viewer), filter: { ...filter, userId }, now }),
  );
}

/** A run, if there is one. */
export function findRun(id: RunId, { load }: Context): Promise<SyncRunRow | null> {
  return load(runsById, id);
}

/** The runs of a user that are under way: neither finished nor stalled. Newest activity first, a page at most. */
export function runsUnderWay(userId: string, { viewer, now, load, limits }: Context): Promise<readonly SyncRunRow[]> {
  const filter: SyncRunFilter = { userId, health: ['active', 'quiet'] };
  return load(runPages, { visible: visibility(viewer), filter, now, limit: limits.pageSize, fromEnd: false });
}

/** Clocks that disagree can put an end before its start, and then nothing is known of the time between. */
function durationMs(startedAt: Date | null, endedAt: Date | null): number | null {
  const ms = startedAt && endedAt && endedAt.getTime() - startedAt.getTime();
  return ms !== null && ms >= 0 ? ms : null;
}

const healthDescriptions: Record<RunHealth, string> = {
  active: 'Under way: heard of lately.',
  quiet: 'Under way, but silent for longer than such a run usually is.',
  stalled: 'Silent for so long that it will hardly go on; nobody has said so.',
  ended: 'Finished.',
};

/** Runs: what the events of one sync add up to. */
export function addRuns(builder: Builder, users: UserTypes, events: EventTypes, words: WordTypes) {
  const SyncRunHealth = addEnum(
    builder,
    'SyncRunHealth',
    'How a run is, by how long ago its newest event was recorded. What counts as long depends on its source. An event of two days ago, by the word of its producer, is history: its run has stalled.',
    healthDescriptions,
  );
  const SyncRun = addSyncRun(builder, users, events, words, SyncRunHealth);
  addWordFields(
    builder,
    SyncRun,
    words,
    'What the run is about, as its first start or end says, and `LIVE` if that does not; null before it.',
  );
  const SyncRunConnection = builder.connectionObject(
    {
      type: SyncRun,
      name: 'SyncRunConnection',
      description: 'A page of runs.',
      fields: (t) => ({
        totalCount: t.int({
          nullable: true,
          description:
            'How many runs the list has, where this page is all of it. Null for more, which would have to be counted run by run.',
          resolve: ({ totalCount }) => totalCount,
        }),
      }),
    },
    { name: 'SyncRunEdge', description: 'A run in a list.' },
  );
  const SyncRunFilterInput = addSyncRunFilter(builder, words, SyncRunHealth);
  const types = { SyncRun, SyncRunConnection, SyncRunFilterInput };
  addRunOfEvent(builder, events, types);
  addRunsOfUser(builder, users, types);
  addRunOperations(builder, types);
  return types;
}

export type RunTypes = ReturnType<typeof addRuns>;

type HealthType = EnumOf<RunHealth>;

function addSyncRun(
  builder: Builder,
  { User }: UserTypes,
  { SyncEventConnection }: EventTypes,
  { SyncStatus }: WordTypes,
  SyncRunHealth: HealthType,
) {
  return builder.prismaObject('SyncRun', {
    description:
      "One sync, as its events tell it so far. By the producer's time the newest event says how it stands: a run may go on after it has ended. Late events only join its log.",
    fields: (t) => ({
      runId: t.exposeID('runId'),
      userId: t.expose('userId', { type: 'UUID' }),
      user: t.field({
        type: User,
        description: 'Whose data is synced.',
        authScopes: { read: true },
        resolve: (run, _, context) => requireUser(run.userId, context),
      }),
      provider: t.exposeString('provider'),
      message: t.exposeString('message', { nullable: true }),
      progress: t.exposeFloat('progress', { nullable: true }),
      itemsProcessed: t.exposeInt('itemsProcessed', { nullable: true }),
      itemsTotal: t.exposeInt('itemsTotal', { nullable: true }),
      error: t.exposeString('error', { nullable: true }),
      primaryUserId: t.expose('primaryUserId', { type: 'UUID', nullable: true }),
      newestPrimaryUserId: t.expose('newestPrimaryUserId', { type: 'UUID', nullable: true }),
      windowStart: t.expose('windowStart', { type: 'DateTime', nullable: true }),
      windowEnd: t.expose('windowEnd', { type: 'DateTime', nullable: true }),
      openedAt: t.expose('openedAt', { type: 'DateTime', nullable: true }),
      traceId: t.exposeString('traceId', { nullable: true }),
      milestoneStatus: t.field({
        type: SyncStatus,
        nullable: true,
        description:
          'Status of the newest start or end of the run, whatever was reported between them; null before the first.',
        resolve: ({ milestoneStatus }) => (milestoneStatus === null ? null : enumValueOf(statusWords, milestoneStatus)),
      }),
      milestoneStatusRaw: t.exposeString('milestoneStatus', { nullable: true }),
      milestoneError: t.exposeString('milestoneError', { nullable: true }),
      lastEndedAt: t.expose('lastEndedAt', { type: 'DateTime', nullable: true }),
      attempts: t.exposeInt('attempts'),
      failedAttempts: t.exposeInt('failedAttempts'),
      reopened: t.exposeBoolean('reopened'),
      batches: t.exposeInt('batchCount'),
      failedBatches: t.exposeInt('failedBatchCount'),
      itemsInserted: t.exposeInt('itemsInserted'),
      itemsUpdated: t.exposeInt('itemsUpdated'),
      itemsLate: t.exposeInt('itemsLate'),
      startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true }),
      newestStartedAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'When the run started last, as far as that was told.',
        resolve: ({ newestStartedAt, startedAt }) => newestStartedAt ?? startedAt,
      }),
      endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true }),
      lastEventAt: t.expose('lastEventAt', { type: 'DateTime' }),
      durationMs: t.float({
        nullable: true,
        description: "Milliseconds from the run's own start to its own end; null when they are not both known.",
        resolve: ({ startedAt, endedAt }) => durationMs(startedAt, endedAt),
      }),
      eventCount: t.exposeInt('eventCount'),
      isTerminal: t.boolean({
        description: 'Has the run finished?',
        resolve: ({ finished }) => finished,
      }),
      health: t.field({
        type: SyncRunHealth,
        description:
          'How the run is, by how long ago its newest event was recorded, at the moment of this answer; in a subscription, when the change was found.',
        resolve: (run, _, { now }) => runHealth(run, now),
      }),
      events: t.field({
        type: SyncEventConnection,
        ...pageOf(),
        description: `The run's events, oldest first. ${pageSizes()}.`,
        args: t.arg.connectionArgs(),
        authScopes: { read: true },
        resolve: async ({ userId, runId }, args, context) => {
          const log = logOf(await requireUser(userId, context));
          return eventConnection(log, args, { runId }, context, () => context.load(eventCounts, { log, runId }));
        },
      }),
    }),
  });
}

/** The run as a field of its events. */
function addRunOfEvent(builder: Builder, { SyncEvent }: EventTypes, { SyncRun }: RunTypes): void {
  builder.prismaObjectField(SyncEvent, 'run', (t) =>
    t.field({
      type: SyncRun,
      description: 'The run that reported the event, as it stands now.',
      authScopes: { read: true },
      resolve: async ({ userId, runId }, _, context) => {
        const run = await findRun({ userId, runId }, context);
        if (!run) throw new AppError('NOT_FOUND', `There is no run ${runId} of user ${userId}`);
        return run;
      },
    }),
  );
}

/** The runs as fields of their user. */
function addRunsOfUser(
  builder: Builder,
  { User }: UserTypes,
  { SyncRun, SyncRunConnection, SyncRunFilterInput }: RunTypes,
): void {
  builder.prismaObjectFields(User, (t) => ({
    syncRuns: t.field({
      type: SyncRunConnection,
      ...pageOf(),
      description: `The user's runs, newest activity first. ${pageSizes()}.`,
      args: {
        ...t.arg.connectionArgs(),
        filter: t.arg({ type: SyncRunFilterInput, description: 'Only runs that match.' }),
      },
      authScopes: { read: true },
      resolve: ({ id }, { filter, ...args }, context) => runConnection(args, filter, context, id),
    }),
    syncRun: t.field({
      type: SyncRun,
      nullable: true,
      description: 'One run of the user; null when there is none with this id.',
      args: { runId: t.arg.id({ required: true, description: "The producer's id of the run." }) },
      authScopes: { read: true },
      resolve: ({ id }, { runId }, context) => findRun({ userId: id, runId }, context),
    }),
  }));
}

/** The runs of all users that a viewer may see. */
function addRunOperations(builder: Builder, { SyncRunConnection, SyncRunFilterInput }: RunTypes): void {
  builder.queryField('syncRuns', (t) =>
    t.field({
      type: SyncRunConnection,
      ...pageOf(),
      description: `The runs that you may see, newest activity first. ${pageSizes()}. Paging shows every run that does not change meanwhile once. One that changes moves, as a rule to the beginning and so past the pages to come; the subscription \`syncRunChanges\`, begun before, shows each of these.`,
      args: {
        ...t.arg.connectionArgs(),
        filter: t.arg({ type: SyncRunFilterInput, description: 'Only runs that match.' }),
      },
      authScopes: { read: true },
      resolve: (_, { filter, ...args }, context) => runConnection(args, filter, context),
    }),
  );
}
