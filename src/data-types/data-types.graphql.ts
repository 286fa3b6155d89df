import type { GraphQLResolveInfo } from 'graphql';
import type { SyncRunDataType } from '../db/rows.ts';
import type { EventTypes } from '../events/events.graphql.ts';
import { enumValueOf, type WordTypes } from '../events/words.graphql.ts';
import type { Batch } from '../graphql/batch.ts';
import type { Builder } from '../graphql/builder.ts';
import type { Context } from '../graphql/context.ts';
import type { DateTimeRangeType } from '../graphql/date-time-range.ts';
import { USUAL_DATA_TYPES, withItems } from '../graphql/items.ts';
import { inWords } from '../graphql/limit-texts.ts';
import type { OperationBounds } from '../graphql/operation-bounds.ts';
import { defaultLimits } from '../limits.ts';
import { runKey } from '../log/record/fold-run.ts';
import { statusWords } from '../log/words.ts';
import type { EventPlace, ReasonTypes } from '../reasons/reasons.graphql.ts';
import type { SyncReason } from '../reasons/sync-reason.ts';
import type { RunTypes } from '../runs/runs.graphql.ts';
import type { RunId } from '../runs/runs.ts';
import { dataTypeReason, dataTypeState } from './data-type-state.ts';
import type { DataTypeWords } from './data-type-words.graphql.ts';
import { foldRunDataType, type KnownDataType } from './fold-data-type.ts';
import { dataTypeKinds, reportsOf } from './reports.ts';

const dataTypesByRun: Batch<RunId, readonly SyncRunDataType[]> = {
  keyOf: runKey,
  restsOn: { owner: ({ userId }) => userId },
  find: (runs, { dataTypes }, bounds) => dataTypes.ofRuns(runs, expectDataTypes(bounds)),
};

/** Has an operation told how many types of data are about to be read for it. */
export const expectDataTypes = (bounds: OperationBounds | undefined) => (counts: readonly number[]) =>
  bounds?.expectUnusual(counts.reduce((sum, count) => sum + Math.max(0, count - USUAL_DATA_TYPES), 0));

/** Types of data as a field shows them, which counts those that are more than usual. @throws AppError LIMIT_EXCEEDED */
export function countedDataTypes<T>(types: readonly T[], { bounds }: Context, { fieldNodes }: GraphQLResolveInfo): T[] {
  bounds.foundUnusual(types.length - USUAL_DATA_TYPES, fieldNodes);
  return [...types];
}

interface Types {
  readonly events: EventTypes;
  readonly runs: RunTypes;
  readonly words: WordTypes;
  readonly reasons: ReasonTypes;
  readonly dataTypeWords: DataTypeWords;
  readonly DateTimeRange: DateTimeRangeType;
}

/** Types of data: what is told of each of them by an event, and by all of a run. */
export function addDataTypes(builder: Builder, types: Types) {
  const { SyncEvent } = types.events;
  const { SyncRun } = types.runs;
  const DataTypeSync = addDataTypeSync(builder, types);
  builder.prismaObjectField(SyncEvent, 'dataTypes', (t) =>
    t.field({
      type: [DataTypeSync],
      ...withItems({ usual: USUAL_DATA_TYPES, most: 'dataTypesPerEvent' }),
      description: `What this event alone tells of types of data, those first that it states; at most ${inWords(defaultLimits.dataTypesPerEvent)}.`,
      authScopes: { read: true },
      resolve: (event, _, context, info) => {
        const types = () =>
          countedDataTypes(
            reportsOf(event).map((report) => foldRunDataType(undefined, event, report)),
            context,
            info,
          );
        // What waits for nothing is made at once, for a whole audience.
        const { pace } = context.bounds;
        return pace ? pace.step().then(types) : types();
      },
    }),
  );
  builder.prismaObjectField(SyncRun, 'dataTypes', (t) =>
    t.field({
      type: [DataTypeSync],
      ...withItems({ usual: USUAL_DATA_TYPES, most: 'dataTypesPerRun' }),
      description: `What the run did with each type of data, by name; at most ${inWords(defaultLimits.dataTypesPerRun)}.`,
      authScopes: { read: true },
      resolve: async ({ userId, runId }, _, context, info) =>
        countedDataTypes(await context.load(dataTypesByRun, { userId, runId }), context, info),
    }),
  );
  return DataTypeSync;
}

export type DataTypeSyncType = ReturnType<typeof addDataTypes>;

function addDataTypeSync(builder: Builder, { words, reasons, dataTypeWords, DateTimeRange }: Types) {
  const span = (start: Date | null, end: Date | null) => (start || end ? { start, end } : null);
  return builder.objectRef<KnownDataType>('DataTypeSync').implement({
    description: 'What was done with one type of data, as events tell it.',
    fields: (t) => ({
      dataType: t.exposeString('dataType', {
        description: "Which type: a slug such as `heart_rate`, or the producer's own word.",
      }),
      kind: t.field({
        type: dataTypeWords.DataTypeKind,
        nullable: true,
        description: 'What kind of data it is; null for a word that this server does not know.',
        resolve: ({ kind }) => dataTypeKinds.find((known) => known === kind) ?? null,
      }),
      state: t.field({
        type: dataTypeWords.DataTypeState,
        description: 'What has become of the type, as it is stated or as its status and its error tell.',
        resolve: (row) => dataTypeState(row),
      }),
      reason: t.field({
        type: reasons.SyncReason,
        nullable: true,
        description: 'Why the type did not succeed; null when nothing says that it did not.',
        resolve: reasonOfDataType,
      }),
      requested: t.field({
        type: DateTimeRange,
        nullable: true,
        description: 'The span that was asked for; null when nothing is known of it.',
        resolve: ({ requestedStart, requestedEnd }) => span(requestedStart, requestedEnd),
      }),
      covered: t.field({
        type: DateTimeRange,
        nullable: true,
        description: 'The span of what was stored, gaps included; null when nothing is known of it.',
        resolve: ({ coveredStart, coveredEnd }) => span(coveredStart, coveredEnd),
      }),
      daysWithData: t.exposeInt('daysWithData', {
        nullable: true,
        description: 'Days that have data: the most that one report told of.',
      }),
      newestData: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'The time of the newest data that was stored; where that is not told, the end of `covered`.',
        resolve: ({ newestData, coveredEnd }) => newestData ?? coveredEnd,
      }),
      itemsInserted: t.exposeInt('itemsInserted', { description: 'New items that were stored.' }),
      itemsUpdated: t.exposeInt('itemsUpdated', { description: 'Changed items that were stored.' }),
      reportedRecords: t.exposeInt('reportedRecords', {
        nullable: true,
        description: 'Records that were reported last, without a word about which of them were new.',
      }),
      attempts: t.exposeInt('attempts', { description: 'How often the type was reported.' }),
      nativeType: t.exposeString('nativeType', { nullable: true, description: 'What the provider calls the type.' }),
      errorCode: t.exposeString('errorCode', {
        nullable: true,
        description: "The provider's code of what went wrong.",
      }),
      error: t.exposeString('error', { nullable: true, description: 'What went wrong, in words.' }),
      status: t.field({
        type: words.SyncStatus,
        description:
          'How the type stands, in the words of a run. In an export of history it may be under way for good.',
        resolve: ({ status }) => enumValueOf(statusWords, status),
      }),
      kindRaw: t.exposeString('kind', { description: 'The kind as it is stored.' }),
      statusRaw: t.exposeString('status', { description: 'The status as it is stored.' }),
    }),
  });
}

function reasonOfDataType(row: KnownDataType): SyncReason<EventPlace | null> | null {
  const reason = dataTypeReason(row);
  const { userId, toldSequence: sequence } = row;
  return reason && { ...reason, event: sequence === null ? null : { userId, sequence } };
}
