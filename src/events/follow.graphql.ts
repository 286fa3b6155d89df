import { badInput, noSuchUser } from '../errors.ts';
import type { Builder } from '../graphql/builder.ts';
import { type Context, streamSignal } from '../graphql/context.ts';
import { addEnum } from '../graphql/enums.ts';
import { withItems } from '../graphql/items.ts';
import { inWords } from '../graphql/limit-texts.ts';
import { parseLimit } from '../graphql/paging.ts';
import { payloadAsItIs } from '../graphql/payloads.ts';
import { parseCursor } from '../graphql/scalars.ts';
import { defaultLimits } from '../limits.ts';
import type { FollowedEvents, FollowReset } from '../log/follow/steps.ts';
import { findVisibleUser, mayAwaitUser } from '../users/users.graphql.ts';
import { checkFilter, type EventTypes } from './events.graphql.ts';
import { withinSight } from './within-sight.ts';

const resetDescriptions: Record<FollowReset['reason'], string> = {
  CURSOR_EXPIRED: 'The next events are no longer kept; the stream goes on with the oldest kept.',
  CURSOR_AHEAD: 'The log has never been that long; the stream goes on with whatever comes next.',
};

/** The live subscription to one user's log. */
export function addFollowing(builder: Builder, events: EventTypes): void {
  const { SyncEventFilterInput } = events;
  const SyncEventsPayload = addSyncEventsPayload(builder, events);
  builder.subscriptionField('syncEvents', (t) =>
    t.field({
      type: SyncEventsPayload,
      description: `A user's log from a cursor on, each event once and in order: first what is there, then what comes. The first payload comes at once, and at least one every ${inWords(defaultLimits.checkpointMs / 1000)} seconds. A user who is not there is an error, or awaited where \`Viewer.mayAwaitUser\` says so: the stream begins as that of an empty log.`,
      args: {
        userId: t.arg({ type: 'UUID', required: true, description: 'Whose log.' }),
        after: t.arg({
          type: 'SyncCursor',
          description: 'Begin after this cursor. Without it and `replayLast`: at the head.',
        }),
        replayLast: t.arg.int({
          description: `Begin this many events before the head, 1 to ${inWords(defaultLimits.pageSize)}. Excludes \`after\`.`,
        }),
        filter: t.arg({ type: SyncEventFilterInput, description: 'Only events that match.' }),
      },
      authScopes: { read: true },
      subscribe: async (_, { userId, replayLast, filter, ...args }, context) => {
        const { services } = context;
        checkFilter(filter, services.limits);
        if (args.after != null && replayLast != null)
          throw badInput('after and replayLast exclude each other', ['replayLast']);
        if (replayLast != null) parseLimit('replayLast', replayLast, services.limits.pageSize);
        if (!(await findVisibleUser(userId, context)) && !mayAwaitUser(userId, context)) throw noSuchUser(userId);
        const after = resumeAfter(context) ?? args.after ?? undefined;
        return services.log.follow(
          { userId, after, replayLast: replayLast ?? undefined, filter: withinSight(filter, context) },
          streamSignal(context),
        );
      },
      ...payloadAsItIs,
      resolve: (step) => step,
    }),
  );
}

function addSyncEventsPayload(builder: Builder, { SyncEvent }: EventTypes) {
  const SyncStreamResetReason = addEnum(
    builder,
    'SyncStreamResetReason',
    'Why a stream could not begin after the given cursor.',
    resetDescriptions,
  );
  const SyncStreamReset = builder.objectRef<FollowReset>('SyncStreamReset').implement({
    description: 'A break in a stream: what was shown before does not connect to what follows.',
    fields: (t) => ({
      reason: t.expose('reason', { type: SyncStreamResetReason, description: 'What happened.' }),
      oldestCursor: t.expose('oldest', { type: 'SyncCursor', description: 'Cursor of the oldest event kept.' }),
      headCursor: t.expose('head', { type: 'SyncCursor', description: 'Cursor of the newest event.' }),
    }),
  });
  return builder.objectRef<FollowedEvents>('SyncEventsPayload').implement({
    description: 'One step of a stream: new events, or a checkpoint.',
    fields: (t) => ({
      events: t.field({
        type: [SyncEvent],
        ...withItems({ most: 'pageSize' }),
        description: 'The next events, oldest first; empty in a checkpoint.',
        resolve: ({ events }) => events,
      }),
      cursor: t.expose('cursor', {
        type: 'SyncCursor',
        description: 'Everything up to here has been delivered, or does not match the filter: resume after it.',
      }),
      headCursor: t.expose('head', { type: 'SyncCursor', description: 'Newest event of the log when this was read.' }),
      caughtUp: t.exposeBoolean('caughtUp', { description: 'Does this step reach the head of the log?' }),
      reset: t.expose('reset', {
        type: SyncStreamReset,
        nullable: true,
        description: 'Set when the stream could not go on where it should have.',
      }),
    }),
  });
}

/** Where a transport asks to resume: a browser's EventSource repeats its URL and tells only here how far it came. */
function resumeAfter({ resumeAfter: cursor }: Context): number | undefined {
  if (cursor === null) return undefined;
  try {
    return parseCursor(cursor);
  } catch {
    throw badInput('Last-Event-ID: this is not a cursor of this stream', ['Last-Event-ID']);
  }
}
