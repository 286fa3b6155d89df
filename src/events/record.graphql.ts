import { addSyncDataTypeInput, type SyncDataTypeInput } from '../data-types/data-type-input.graphql.ts';
import type { DataTypeWords } from '../data-types/data-type-words.graphql.ts';
import type { Builder } from '../graphql/builder.ts';
import { withItems } from '../graphql/items.ts';
import { inWords } from '../graphql/limit-texts.ts';
import { defaultLimits, type Limits } from '../limits.ts';
import type { EventDraft } from '../log/event.ts';
import { checkEvent } from '../log/record/check-event.ts';
import { refuseProblems } from '../log/record/identify-drafts.ts';
import type { RecordedEvent } from '../log/record/plan-recordings.ts';
import type { FindProblems } from '../operations/input-problems.ts';
import { addSyncReasonInput, type SyncReasonInput } from '../reasons/reason-input.graphql.ts';
import type { ReasonTypes } from '../reasons/reasons.graphql.ts';
import type { EventTypes } from './events.graphql.ts';
import { findUnrecognized, type WordTypes } from './words.graphql.ts';

/** The years of event times that are accepted. */
const years = {
  first: new Date(defaultLimits.earliestTime).getUTCFullYear(),
  last: new Date(Date.parse(defaultLimits.latestTime) - 1).getUTCFullYear(),
};

/** How producers report events. */
export function addRecording(
  builder: Builder,
  events: EventTypes,
  words: WordTypes,
  reasons: ReasonTypes,
  dataTypeWords: DataTypeWords,
): void {
  const SyncReasonInput = addSyncReasonInput(builder, reasons);
  const SyncDataTypeInput = addSyncDataTypeInput(builder, dataTypeWords, SyncReasonInput);
  const SyncEventInput = addSyncEventInput(builder, words, { SyncReasonInput, SyncDataTypeInput });
  const RecordSyncEventsInput = builder.inputType('RecordSyncEventsInput', {
    description: 'Events to record together.',
    fields: (t) => ({
      events: t.field({
        type: [SyncEventInput],
        required: true,
        description: `1 to ${inWords(defaultLimits.eventsPerRecording)} events, stored in this order, all or nothing.`,
      }),
    }),
  });
  const RecordSyncEventsPayload = addRecordSyncEventsPayload(builder, events);

  builder.mutationField('recordSyncEvents', (t) =>
    t.field({
      type: RecordSyncEventsPayload,
      ...withItems({ each: 'input.events', most: 'eventsPerRecording' }),
      description:
        'Appends events to the logs of their users, all or nothing; answered when they are durable. Needs the scope `write`.',
      args: { input: t.arg({ type: RecordSyncEventsInput, required: true, description: 'The events.' }) },
      authScopes: { write: true },
      resolve: async (_, { input: { events } }, { spending, services: { log, limits } }) => {
        if (events.some((event) => findUnrecognized(event).length > 0))
          refuseProblems(events, limits, (event) => problemsOf(event, limits));
        return { results: await spending.record(events, () => log.record(events)) };
      },
    }),
  );
}

/** All that is wrong with an event, or with what could be read of one. */
const problemsOf = (event: EventDraft, limits: Limits) => [...findUnrecognized(event), ...checkEvent(event, limits)];

interface PartInputs {
  readonly SyncReasonInput: SyncReasonInput;
  readonly SyncDataTypeInput: SyncDataTypeInput;
}

function addSyncEventInput(builder: Builder, words: WordTypes, { SyncReasonInput, SyncDataTypeInput }: PartInputs) {
  return builder.inputType('SyncEventInput', {
    // Fields that do not fit their types are missing, and every check takes what is missing for left out.
    extensions: {
      findProblems: ((item, limits) => problemsOf(item as unknown as EventDraft, limits)) satisfies FindProblems,
    },
    description:
      'An event to record. Without an `id` it gets a new one, without a `timestamp` the time of its arrival.',
    fields: (t) => ({
      id: t.field({
        type: 'UUID',
        description: 'Unique id. Give one to make a retry harmless: the same id and content is stored once.',
      }),
      userId: t.field({ type: 'UUID', required: true, description: 'The user whose data is synced; must exist.' }),
      runId: t.id({
        required: true,
        description: `The run that reports: any text of 1 to ${inWords(defaultLimits.runIdLength)} characters.`,
      }),
      provider: t.string({
        required: true,
        description: `Slug of the provider, 1 to ${inWords(defaultLimits.providerLength)} characters.`,
      }),
      source: t.field({ type: words.SyncSource, required: true, description: 'How the data comes in.' }),
      stage: t.field({ type: words.SyncStage, required: true, description: 'What the run is doing.' }),
      status: t.field({ type: words.SyncStatus, required: true, description: 'How the run stands.' }),
      message: t.string({
        description: `Text for people, at most ${inWords(defaultLimits.messageLength)} characters.`,
      }),
      progress: t.float({ description: 'Fraction done, 0 to 1.' }),
      itemsProcessed: t.int({ description: 'Items handled so far, not negative.' }),
      itemsTotal: t.int({ description: 'Items expected in all, not negative.' }),
      error: t.string({ description: `Error text, at most ${inWords(defaultLimits.errorLength)} characters.` }),
      primaryUserId: t.field({ type: 'UUID', description: 'For linked accounts: whose sync brought the data.' }),
      metadata: t.field({
        type: 'JSONObject',
        description: `Anything else: at most ${inWords(defaultLimits.metadataBytes / 1024)} KiB as JSON, nested at most ${inWords(defaultLimits.metadataDepth)} deep.`,
      }),
      scope: t.field({
        type: words.SyncScope,
        description:
          'What the run is about. The first event that starts or ends a run says so for good; `LIVE` if it does not say.',
      }),
      windowStart: t.field({
        type: 'DateTime',
        description: 'Where the span of data begins that the run was asked to cover.',
      }),
      windowEnd: t.field({
        type: 'DateTime',
        description: 'Where the span of data ends that the run was asked to cover.',
      }),
      reason: t.field({
        type: SyncReasonInput,
        description:
          'Why the sync did not succeed, if you know: else rules judge by the status, the error and `metadata`.',
      }),
      dataTypes: t.field({
        type: [SyncDataTypeInput],
        description: `What the sync did with types of data since the last event: at most ${inWords(defaultLimits.dataTypesPerEvent)}, each named once, at most ${inWords(defaultLimits.metadataBytes / 1024)} KiB as JSON. It counts before what \`metadata\` tells of the same type.`,
      }),
      startedAt: t.field({
        type: 'DateTime',
        description: 'When the run started; the first one told sticks to the run.',
      }),
      endedAt: t.field({ type: 'DateTime', description: 'When the run ended.' }),
      timestamp: t.field({
        type: 'DateTime',
        description: `When this happened, by your clock; years ${years.first} to ${years.last}.`,
      }),
    }),
  });
}

function addRecordSyncEventsPayload(builder: Builder, { SyncEvent }: EventTypes) {
  const RecordedSyncEvent = builder.objectRef<RecordedEvent>('RecordedSyncEvent').implement({
    description: 'What became of one event.',
    fields: (t) => ({
      event: t.expose('event', { type: SyncEvent, description: 'The event as it stands in the log.' }),
      duplicate: t.exposeBoolean('duplicate', {
        description: 'True when the log had this event already; then nothing was changed.',
      }),
    }),
  });
  return builder.objectRef<{ results: readonly RecordedEvent[] }>('RecordSyncEventsPayload').implement({
    description: 'What became of the events.',
    fields: (t) => ({
      results: t.field({
        type: [RecordedSyncEvent],
        ...withItems('counted by parent'),
        description: 'One result for each event, in the order of the input.',
        resolve: ({ results }) => results,
      }),
    }),
  });
}
