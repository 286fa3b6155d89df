import type { Builder } from '../graphql/builder.ts';
import { addEnum } from '../graphql/enums.ts';
import type { DataTypeState } from './data-type-state.ts';
import type { DataTypeKind } from './reports.ts';

const kindDescriptions: Record<DataTypeKind, string> = {
  series: 'Samples over time.',
  score: 'A judgement about a day or a night.',
  profile: 'Facts about the person.',
  event: 'Something that happened, such as a workout.',
  task: 'A part of a sync, as its producer names it.',
};

const stateDescriptions: Record<DataTypeState, string> = {
  pending: 'Not begun.',
  syncing: 'Under way; in an export of history it may stay so for good.',
  complete: 'Done, or there was nothing to do.',
  partial: 'Done in part, or reported as never finished.',
  failed: 'Failed; the reason says why.',
  not_granted: 'Failed, as the user has not granted access to it.',
  not_supported: 'The provider does not have it.',
  unknown: 'Nothing that is known can be told from its status.',
};

/** The words of types of data, of what is reported as of what is shown. */
export function addDataTypeWords(builder: Builder) {
  return {
    DataTypeKind: addEnum(builder, 'DataTypeKind', 'What kind of data a type is.', kindDescriptions),
    DataTypeState: addEnum(builder, 'DataTypeState', 'What has become of a type of data.', stateDescriptions),
  };
}

export type DataTypeWords = ReturnType<typeof addDataTypeWords>;
