import type { QuarantinedEntry as QuarantinedEntryRow } from '../db/rows.ts';
import type { Builder } from '../graphql/builder.ts';
import { addEnum } from '../graphql/enums.ts';
import { pageOf, withItems } from '../graphql/items.ts';
import { inWords, pageSizes } from '../graphql/limit-texts.ts';
import { fetchConnection, isKeyTime, keyCursor, parsePage } from '../graphql/paging.ts';
import { defaultLimits } from '../limits.ts';
import { type IgnoredKind, type IgnoredReason, NAMED_TYPES } from './ignored-entries.ts';
import type { QuarantineKey, QuarantineReason } from './quarantine.ts';
import type { SourceState } from './source.ts';
import type { SourceStatus } from './sources.ts';

const quarantineCursor = keyCursor<QuarantineKey>(
  ({ firstSeenAt, fingerprint }) => [firstSeenAt.getTime(), fingerprint],
  ([time, fingerprint]) =>
    isKeyTime(time) && typeof fingerprint === 'string' && /^[0-9a-f]{64}$/.test(fingerprint)
      ? { firstSeenAt: new Date(time), fingerprint }
      : undefined,
);

const stateDescriptions: Record<SourceState, string> = {
  waiting:
    'No instance works on it; one that is set up for it will take it. A webhook, which every instance takes, is in this state where the instance that answers has no secret for it.',
  connecting: 'Its holder is connecting.',
  backfilling: 'What is stored there is being read.',
  live: 'Everything that arrives is recorded at once.',
  disconnected: 'The connection is lost; its holder tries again.',
};

const reasonDescriptions: Record<QuarantineReason, string> = {
  not_json: 'The text is not JSON.',
  bad_event: 'It is JSON, but no event: something is missing, of the wrong kind or out of bounds.',
  event_id_conflict: 'The log has an event with this id and other content.',
  unreadable_key: 'A key that should hold entries holds something else.',
  not_stored:
    'The database did not take it; the server’s log says why. It is tried again, and leaves once it is stored.',
};

const ignoredDescriptions: Record<IgnoredReason, string> = {
  unknown_type: 'This server does not know the type.',
  no_event:
    'It tells of a connection, or of a type of data of no run that is known, without naming the provider. `connection.created` makes its user known all the same.',
  unknown_user: 'It tells that a connection is over, or what became of a type of data, of a user who is not known.',
  deleted_user: 'It is of a user who was deleted, and as far as can be told older than that.',
};

const MOST_KINDS = NAMED_TYPES + Object.keys(ignoredDescriptions).length;

/** What feeds the log from outside. */
export function addSources(builder: Builder): void {
  const Source = addSource(builder, {
    SourceBackfill: addSourceBackfill(builder),
    IgnoredKind: addIgnoredKind(builder),
    QuarantinedEntryConnection: addQuarantinedEntry(builder),
  });
  addSourceQuery(builder, Source);
}

function addIgnoredKind(builder: Builder) {
  const IgnoredReasonEnum = addEnum(
    builder,
    'IgnoredReason',
    'Why an entry says nothing to the log.',
    ignoredDescriptions,
  );
  return builder.objectRef<IgnoredKind>('IgnoredKind').implement({
    description: 'Entries of a source that were ignored for the same reason, and of the same type.',
    fields: (t) => ({
      reason: t.field({ type: IgnoredReasonEnum, description: 'Why.', resolve: ({ ignored }) => ignored }),
      type: t.exposeString('type', {
        nullable: true,
        description: `What the sender calls them, such as \`workout.created\`; null for entries without a type, and for all further types once there are ${NAMED_TYPES}.`,
      }),
      count: t.exposeInt('count', { description: 'How many.' }),
    }),
  });
}

/** An entry that could not be read, and the pages of such entries. */
function addQuarantinedEntry(builder: Builder) {
  // The column is text, so the enum's values are, too.
  const QuarantineReasonEnum = addEnum<string>(
    builder,
    'QuarantineReason',
    'Why an entry could not be read or stored.',
    reasonDescriptions,
  );
  const QuarantinedEntry = builder.objectRef<QuarantinedEntryRow>('QuarantinedEntry').implement({
    description: 'An entry of a source that could not be read or stored.',
    fields: (t) => ({
      id: t.exposeID('fingerprint', { description: 'SHA-256 of the entry: the same one is kept and counted once.' }),
      reason: t.field({
        type: QuarantineReasonEnum,
        description: 'What kind of mistake it is.',
        resolve: ({ reason }) => reason,
      }),
      detail: t.exposeString('detail', { description: 'What is wrong with it.' }),
      place: t.exposeString('place', { description: 'Where it was found, such as a key or a channel.' }),
      payload: t.exposeString('payload', {
        nullable: true,
        description: `The entry itself, cut to ${inWords(defaultLimits.quarantinedPayloadLength)} characters; null once ${inWords(defaultLimits.quarantinedPayloads)} newer ones have come, or a few more.`,
      }),
      payloadBytes: t.exposeInt('payloadBytes', { description: 'Size of the whole entry.' }),
      firstSeenAt: t.expose('firstSeenAt', { type: 'DateTime', description: 'When it was first seen.' }),
    }),
  });
  return builder.connectionObject(
    { type: QuarantinedEntry, name: 'QuarantinedEntryConnection', description: 'A page of entries, newest first.' },
    { name: 'QuarantinedEntryEdge', description: 'An entry in a list.' },
  );
}

function addSourceBackfill(builder: Builder) {
  return builder.objectRef<SourceStatus & { backfillStartedAt: Date }>('SourceBackfill').implement({
    description: 'How far what is stored at a source has been read.',
    fields: (t) => ({
      startedAt: t.expose('backfillStartedAt', { type: 'DateTime', description: 'When it began.' }),
      endedAt: t.expose('backfillEndedAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When it ended; null while it runs, and when it was broken off.',
      }),
      users: t.exposeInt('backfillUsers', { description: 'Users whose stored entries have been read.' }),
      entries: t.exposeInt('backfillEntries', { description: 'Entries that have been read.' }),
    }),
  });
}

function addSource(
  builder: Builder,
  {
    SourceBackfill,
    IgnoredKind,
    QuarantinedEntryConnection,
  }: {
    readonly SourceBackfill: ReturnType<typeof addSourceBackfill>;
    readonly IgnoredKind: ReturnType<typeof addIgnoredKind>;
    readonly QuarantinedEntryConnection: ReturnType<typeof addQuarantinedEntry>;
  },
) {
  // The column is text, so the enum's values are, too.
  const SourceStateEnum = addEnum<string>(builder, 'SourceState', 'How a source stands.', stateDescriptions);
  return builder.objectRef<SourceStatus>('Source').implement({
    description:
      'Something that feeds the log from outside. Counts are whole numbers of all time; a crash may lose the last seconds of all but `quarantined`.',
    fields: (t) => ({
      name: t.exposeID('name', { description: 'Which one, such as `open-wearables-redis`.' }),
      state: t.field({ type: SourceStateEnum, description: 'How it stands.', resolve: ({ state }) => state }),
      isHolder: t.exposeBoolean('isHolder', {
        description: 'True when the instance that answers is the one that works on it. Webhooks arrive at all of them.',
      }),
      connectedAt: t.expose('connectedAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When the newest connection began to deliver.',
      }),
      lastEventAt: t.expose('lastEventAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When an event of it was last added to the log.',
      }),
      lagMs: t.exposeInt('lagMs', {
        nullable: true,
        description:
          'For how many milliseconds the oldest entry that has arrived and is not recorded has been waiting: 0 when none is, null unless the state is LIVE.',
      }),
      recorded: t.float({
        description: 'Events added to the log, and news of connections and of types of data that were taken.',
        resolve: ({ recorded }) => Number(recorded),
      }),
      duplicates: t.float({
        description: 'Times that an event came which the log had already, as at each new connection.',
        resolve: ({ duplicates }) => Number(duplicates),
      }),
      ignored: t.float({
        description:
          'Entries that say nothing to the log: test deliveries, and what is older than the deletion of its user.',
        resolve: ({ ignored }) => Number(ignored),
      }),
      ignoredKinds: t.field({
        type: [IgnoredKind],
        ...withItems({ most: MOST_KINDS }),
        description: 'What the instance that answers has ignored since it was started, and why.',
        resolve: ({ ignoredKinds }) => ignoredKinds,
      }),
      quarantined: t.float({
        description: 'Entries that could not be read or stored, each counted once.',
        resolve: ({ quarantined }) => Number(quarantined),
      }),
      backfill: t.field({
        type: SourceBackfill,
        nullable: true,
        description: 'The newest reading of everything that is stored there; null where nothing is.',
        resolve: ({ backfillStartedAt, ...rest }) => backfillStartedAt && { ...rest, backfillStartedAt },
      }),
      lastError: t.exposeString('lastError', { nullable: true, description: 'What last went wrong.' }),
      lastErrorAt: t.expose('lastErrorAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When that was; it may long be over.',
      }),
      quarantine: t.field({
        type: QuarantinedEntryConnection,
        ...pageOf(),
        description: `What could not be read or stored, newest first. ${pageSizes()}.`,
        args: t.arg.connectionArgs(),
        authScopes: { operate: true },
        resolve: ({ name }, args, { services: { sources, limits } }) =>
          fetchConnection(
            parsePage(args, quarantineCursor, { size: limits.defaultPageSize, maxSize: limits.pageSize }),
            (entry: QuarantinedEntryRow) => quarantineCursor.encode(entry),
            (wider) => sources.quarantine.list(name, wider),
          ),
      }),
    }),
  });
}

function addSourceQuery(builder: Builder, Source: ReturnType<typeof addSource>): void {
  builder.queryField('sources', (t) =>
    t.field({
      type: [Source],
      ...withItems({ most: 'listedSources' }),
      description: 'What feeds the log from outside, by name. For those who may read all users.',
      authScopes: { operate: true },
      resolve: (_, __, { services: { sources } }) => sources.list(),
    }),
  );
}
