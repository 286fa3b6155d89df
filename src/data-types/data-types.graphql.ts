import type { SyncRunDataType } from '../db/rows.ts';
import { enumValueOf, type WordTypes } from '../events/words.graphql.ts';
import type { Batch } from '../graphql/batch.ts';
import type { Builder } from '../graphql/builder.ts';
import { addEnum } from '../graphql/enums.ts';
import { withItems } from '../graphql/items.ts';
import { inWords } from '../graphql/limit-texts.ts';
import { defaultLimits } from '../limits.ts';
import { runKey } from '../log/record/fold-run.ts';
import { statusWords } from '../log/words.ts';
import type { ReasonTypes } from '../reasons/reasons.graphql.ts';
import type { RunTypes } from '../runs/runs.graphql.ts';
import type { RunId } from '../runs/runs.ts';
import { type DataTypeState, dataTypeReason, dataTypeState } from './data-type-state.ts';
import { type DataTypeKind, dataTypeKinds } from './reports.ts';

const dataTypesByRun: Batch<RunId, readonly SyncRunDataType[]> = {
  keyOf: runKey,
  restsOn: { owner: ({ userId }) => userId },
  find: (runs, { dataTypes }) => dataTypes.ofRuns(runs),
};

const kindDescriptions: Record<DataTypeKind, string> = {
  series: 'Samples over time.',
  score: 'A judgement about a day or a night.',
  profile: 'Facts about the person.',
  event: 'Something that happened, such as a workout.',
  task: 'A part of a pull, as its producer names it.',
};

const stateDescriptions: Record<DataTypeState, string> = {
  pending: 'Not begun. No producer reports this yet.',
  syncing: 'Under way; in an export of history it may stay so for good.',
  complete: 'Done, or there was nothing to do.',
  partial: 'Done in part, or reported as never finished.',
  failed: 'Failed; the reason says why.',
  not_granted: 'Failed, as the user has not granted access to it.',
  not_supported: 'The provider does not have it. No producer reports this yet.',
  unknown: 'Nothing that is known can be told from its status.',
};

/** Types of data: what a run did with each of them. */
export function addDataTypes(
  builder: Builder,
  { SyncRun }: RunTypes,
  { SyncStatus }: WordTypes,
  { SyncReason }: ReasonTypes,
): void {
  const DataTypeKindEnum = addEnum(builder, 'DataTypeKind', 'What kind of data a type is.', kindDescriptions);
  const DataTypeStateEnum = addEnum(
    builder,
    'DataTypeState',
    'What has become of a type of data in a run.',
    stateDescriptions,
  );
  const DateTimeRange = builder
    .objectRef<{ readonly start: Date | null; readonly end: Date | null }>('DateTimeRange')
    .implement({
      description: 'A span of time; a bound that is not known is null.',
      fields: (t) => ({
        start: t.expose('start', { type: 'DateTime', nullable: true, description: 'Where it begins.' }),
        end: t.expose('end', { type: 'DateTime', nullable: true, description: 'Where it ends.' }),
      }),
    });
  const DataTypeSync = builder.prismaObject('SyncRunDataType', {
    name: 'DataTypeSync',
    description: 'What was done with one type of data, as the events of a run tell it.',
    fields: (t) => ({
      dataType: t.exposeString('dataType'),
      kind: t.field({
        type: DataTypeKindEnum,
        nullable: true,
        description: 'What kind of data it is; null for a word that this server does not know.',
        resolve: ({ kind }) => dataTypeKinds.find((known) => known === kind) ?? null,
      }),
      status: t.field({
        type: SyncStatus,
        description:
          'How the type stands, in the words of a run. In an export of history it may be under way for good.',
        resolve: ({ status }) => enumValueOf(statusWords, status),
      }),
      state: t.field({
        type: DataTypeStateEnum,
        description: 'What has become of the type, as its status and its error tell.',
        resolve: (row) => dataTypeState(row),
      }),
      reason: t.field({
        type: SyncReason,
        nullable: true,
        description: 'Why the type did not succeed; null when nothing says that it did not.',
        resolve: (row) => dataTypeReason(row),
      }),
      kindRaw: t.exposeString('kind', { description: 'The kind as it is stored.' }),
      statusRaw: t.exposeString('status', { description: 'The status as the producer wrote it.' }),
      nativeType: t.exposeString('nativeType', { nullable: true }),
      reportedRecords: t.exposeInt('reportedRecords', { nullable: true }),
      itemsInserted: t.exposeInt('itemsInserted'),
      itemsUpdated: t.exposeInt('itemsUpdated'),
      covered: t.field({
        type: DateTimeRange,
        nullable: true,
        description: 'The span of what was stored; null when nothing is known of it.',
        resolve: ({ coveredStart: start, coveredEnd: end }) => (start || end ? { start, end } : null),
      }),
      coveredStart: t.expose('coveredStart', { type: 'DateTime', nullable: true }),
      coveredEnd: t.expose('coveredEnd', { type: 'DateTime', nullable: true }),
      errorCode: t.exposeString('errorCode', { nullable: true }),
      error: t.exposeString('error', { nullable: true }),
      attempts: t.exposeInt('attempts'),
    }),
  });
  builder.prismaObjectField(SyncRun, 'dataTypes', (t) =>
    t.field({
      type: [DataTypeSync],
      ...withItems({ most: 'dataTypesPerRun' }),
      description: `What the run did with each type of data, by name; at most ${inWords(defaultLimits.dataTypesPerRun)}.`,
      authScopes: { read: true },
      resolve: async ({ userId, runId }, _, { load }) => [...(await load(dataTypesByRun, { userId, runId }))],
    }),
  );
}
