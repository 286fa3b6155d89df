import { isStorable } from '../db/columns.ts';
import { badInput } from '../errors.ts';
import type { Builder } from '../graphql/builder.ts';
import { pageOf, withItems } from '../graphql/items.ts';
import { inWords, pageSizes } from '../graphql/limit-texts.ts';
import { parseLimit } from '../graphql/paging.ts';
import { defaultLimits, type Limits } from '../limits.ts';
import { requireUser, type UserTypes } from '../users/users.graphql.ts';
import { eventConnection, eventPages, logOf } from './event-connection.graphql.ts';
import { withinSight } from './within-sight.ts';
import { addWordFields, refuseUnrecognized, type WordTypes } from './words.graphql.ts';

/** @throws AppError BAD_USER_INPUT for too many entries in a list, for UNRECOGNIZED, and for no text, or too long a one, to search for. */
export function checkFilter(filter: object | null | undefined, limits: Limits): void {
  for (const [name, entries] of Object.entries(filter ?? {})) {
    if (name === 'search' && typeof entries === 'string') checkSearch(entries, limits);
    if (!Array.isArray(entries)) continue;
    if (entries.length > limits.filterEntries)
      throw badInput(`filter.${name} must have at most ${limits.filterEntries} entries`, ['filter', name]);
    refuseUnrecognized(entries, ['filter', name]);
  }
}

function checkSearch(search: string, { searchLength }: Limits): void {
  const whyNot =
    (search.trim() === '' && 'must not be empty') ||
    (search.length > searchLength && `must have at most ${searchLength} characters`) ||
    (!isStorable(search) && 'must be well-formed Unicode without NUL');
  if (whyNot) throw badInput(`filter.search ${whyNot}`, ['filter', 'search']);
}

/** What the description of a filter says of its text. */
export const searchDescription = `A part of \`message\`, \`error\` or \`runId\`, at most ${inWords(defaultLimits.searchLength)} characters. A to Z are found in either case, other letters as they are written here, all in lower or all in upper case. Blanks at the ends do not count. What a user token is not shown is not found with one.`;

/** Sync events, and the log of a user. */
export function addEvents(builder: Builder, users: UserTypes, words: WordTypes) {
  const SyncEvent = addSyncEvent(builder, users, words);
  const SyncEventFilterInput = addSyncEventFilter(builder, words);
  const SyncEventConnection = builder.connectionObject(
    {
      type: SyncEvent,
      name: 'SyncEventConnection',
      description: 'A page of a log, oldest first.',
      fields: (t) => ({
        totalCount: t.int({
          nullable: true,
          description:
            'How many events the list has, those of other pages included: of a whole log or of what was recorded at a time, of a run whose log is still whole, and wherever this page is all of it. Null for what would have to be counted event by event.',
          resolve: async ({ totalCount, count }) => totalCount ?? (await count?.()) ?? null,
        }),
      }),
    },
    { name: 'SyncEventEdge', description: 'An event in a log.' },
  );
  const types = { SyncEvent, SyncEventFilterInput, SyncEventConnection };
  addLogOfUser(builder, users, types);
  return types;
}

export type EventTypes = ReturnType<typeof addEvents>;

function addSyncEvent(builder: Builder, { User }: UserTypes, words: WordTypes) {
  const SyncEvent = builder.prismaObject('SyncEvent', {
    description: "One report of a sync run. A user's events are numbered 1, 2, 3 … without holes.",
    fields: (t) => ({
      id: t.expose('id', { type: 'UUID' }),
      sequence: t.exposeInt('sequence'),
      cursor: t.field({
        type: 'SyncCursor',
        description: 'Where this event stands in its log: resume after it, over any transport.',
        resolve: (event) => event.sequence,
      }),
      runId: t.exposeID('runId'),
      userId: t.expose('userId', { type: 'UUID' }),
      user: t.field({
        type: User,
        description: 'The owner of the log.',
        authScopes: { read: true },
        resolve: (event, _, context) => requireUser(event.userId, context),
      }),
      provider: t.exposeString('provider'),
      message: t.exposeString('message', { nullable: true }),
      progress: t.exposeFloat('progress', { nullable: true }),
      itemsProcessed: t.exposeInt('itemsProcessed', { nullable: true }),
      itemsTotal: t.exposeInt('itemsTotal', { nullable: true }),
      error: t.exposeString('error', { nullable: true }),
      primaryUserId: t.expose('primaryUserId', { type: 'UUID', nullable: true }),
      metadata: t.expose('metadata', { type: 'JSONObject' }),
      windowStart: t.expose('windowStart', { type: 'DateTime', nullable: true }),
      windowEnd: t.expose('windowEnd', { type: 'DateTime', nullable: true }),
      extra: t.expose('extra', { type: 'JSONObject', nullable: true }),
      startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true }),
      endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true }),
      timestamp: t.expose('timestamp', { type: 'DateTime' }),
      recordedAt: t.expose('recordedAt', { type: 'DateTime' }),
      late: t.exposeBoolean('late'),
    }),
  });
  addWordFields(
    builder,
    SyncEvent,
    words,
    'What the run is about, as this event says; null where it does not, and then `LIVE` is meant. Reports of progress say `LIVE` in every run: ask the run.',
  );
  return SyncEvent;
}

function addSyncEventFilter(builder: Builder, { SyncSource, SyncStage, SyncStatus, SyncScope }: WordTypes) {
  return builder.inputType('SyncEventFilter', {
    description: 'Which events are wanted: those that match every given part. An empty list matches nothing.',
    fields: (t) => ({
      providers: t.stringList({ description: 'Any of these providers.' }),
      sources: t.field({ type: [SyncSource], description: 'Any of these sources.' }),
      stages: t.field({ type: [SyncStage], description: 'Any of these stages.' }),
      statuses: t.field({ type: [SyncStatus], description: 'Any of these statuses.' }),
      scopes: t.field({
        type: [SyncScope],
        description: 'Any of these scopes. An event that came without one is found as `LIVE`.',
      }),
      runId: t.id({ description: 'This run only.' }),
      since: t.field({
        type: 'DateTime',
        description: "Happened at this time or later, by the producer's clock: see `timestamp`.",
      }),
      until: t.field({
        type: 'DateTime',
        description: "Happened before this time, and not at it, by the producer's clock: see `timestamp`.",
      }),
      recordedSince: t.field({
        type: 'DateTime',
        description: "Recorded at this time or later, by this server's clock: see `recordedAt`.",
      }),
      recordedUntil: t.field({
        type: 'DateTime',
        description: "Recorded before this time, and not at it, by this server's clock: see `recordedAt`.",
      }),
      search: t.string({ description: searchDescription }),
    }),
  });
}

/** The log as fields of its user. */
function addLogOfUser(
  builder: Builder,
  { User }: UserTypes,
  { SyncEvent, SyncEventFilterInput, SyncEventConnection }: EventTypes,
): void {
  builder.prismaObjectFields(User, (t) => ({
    recentSyncEvents: t.field({
      type: [SyncEvent],
      ...withItems({ by: ['limit'], most: 'pageSize' }),
      description: 'The newest events of the log, newest first.',
      args: {
        limit: t.arg.int({
          required: true,
          defaultValue: defaultLimits.defaultPageSize,
          description: `How many events at most, 1 to ${inWords(defaultLimits.pageSize)}.`,
        }),
        filter: t.arg({ type: SyncEventFilterInput, description: 'Only events that match.' }),
      },
      authScopes: { read: true },
      resolve: async (user, { limit, filter: asked }, { load, limits, hidden }) => {
        parseLimit('limit', limit, limits.pageSize);
        checkFilter(asked, limits);
        const filter = withinSight(asked, { hidden });
        return [...(await load(eventPages, { log: logOf(user), limit, fromEnd: true, filter }))].reverse();
      },
    }),
    syncEvents: t.field({
      type: SyncEventConnection,
      ...pageOf(),
      description: `The log, oldest first. ${pageSizes()}; cursors are sequences.`,
      args: {
        ...t.arg.connectionArgs(),
        filter: t.arg({ type: SyncEventFilterInput, description: 'Only events that match.' }),
      },
      authScopes: { read: true },
      resolve: (user, { filter, ...args }, context) => {
        checkFilter(filter, context.limits);
        return eventConnection(logOf(user), args, withinSight(filter, context), context);
      },
    }),
    headCursor: t.field({
      type: 'SyncCursor',
      description: 'Cursor of the newest event of the log; `"0"` for an empty log.',
      authScopes: { read: true },
      resolve: (user) => user.headSequence,
    }),
  }));
}
