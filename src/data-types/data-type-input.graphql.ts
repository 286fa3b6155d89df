import type { Builder } from '../graphql/builder.ts';
import { inWords } from '../graphql/limit-texts.ts';
import { defaultLimits } from '../limits.ts';
import type { SyncReasonInput } from '../reasons/reason-input.graphql.ts';
import type { DataTypeWords } from './data-type-words.graphql.ts';

/** How producers report types of data, as a part of an event. */
export function addSyncDataTypeInput(builder: Builder, words: DataTypeWords, SyncReasonInput: SyncReasonInput) {
  const DateTimeRangeInput = builder.inputType('DateTimeRangeInput', {
    description: 'A span of time that does not start after its end; a bound that is not known is left out.',
    fields: (t) => ({
      start: t.field({ type: 'DateTime', description: 'Where it begins.' }),
      end: t.field({ type: 'DateTime', description: 'Where it ends.' }),
    }),
  });
  return builder.inputType('SyncDataTypeInput', {
    description: 'What a sync did with one type of data since it was reported last.',
    fields: (t) => ({
      dataType: t.string({
        required: true,
        description: `Which type: a slug such as \`heart_rate\`, 1 to ${inWords(defaultLimits.dataTypeLength)} characters.`,
      }),
      kind: t.field({ type: words.DataTypeKind, description: 'What kind of data it is; `TASK` if you do not say.' }),
      state: t.field({ type: words.DataTypeState, required: true, description: 'What has become of it.' }),
      requested: t.field({
        type: DateTimeRangeInput,
        description: "The span that was asked for; the event's window if you leave it out.",
      }),
      covered: t.field({ type: DateTimeRangeInput, description: 'The span of what was stored.' }),
      daysWithData: t.int({ description: 'Days that have data, not negative.' }),
      newestData: t.field({ type: 'DateTime', description: 'The time of the newest data that was stored.' }),
      reportedRecords: t.int({
        description: 'Records that came, not negative, where nothing is known about which of them are new.',
      }),
      itemsInserted: t.int({ description: 'New items that were stored, not negative; reports add up.' }),
      itemsUpdated: t.int({ description: 'Changed items that were stored, not negative; reports add up.' }),
      nativeType: t.string({
        description: `What the provider calls the type, 1 to ${inWords(defaultLimits.nativeTypeLength)} characters.`,
      }),
      errorCode: t.string({
        description: `The provider's code of what went wrong, 1 to ${inWords(defaultLimits.nativeTypeLength)} characters.`,
      }),
      error: t.string({
        description: `What went wrong, at most ${inWords(defaultLimits.errorLength)} characters.`,
      }),
      reason: t.field({
        type: SyncReasonInput,
        description: 'Why the type did not succeed, if you know: else rules judge by the state and the error.',
      }),
    }),
  });
}

export type SyncDataTypeInput = ReturnType<typeof addSyncDataTypeInput>;
