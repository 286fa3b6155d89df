import type { Builder } from '../graphql/builder.ts';
import { inWords } from '../graphql/limit-texts.ts';
import { defaultLimits } from '../limits.ts';
import type { ReasonTypes } from './reasons.graphql.ts';

/** How producers state a reason. */
export function addSyncReasonInput(builder: Builder, { SyncReasonClass, SyncActor }: ReasonTypes) {
  return builder.inputType('SyncReasonInput', {
    description: 'Why a sync did not succeed. What you leave out follows from the class.',
    fields: (t) => ({
      class: t.field({ type: SyncReasonClass, required: true, description: 'What kind of reason it is.' }),
      retryable: t.boolean({
        description: 'May the same be tried again with a chance, though nobody has changed anything?',
      }),
      actor: t.field({ type: SyncActor, description: 'Who can do something about it.' }),
      text: t.string({
        description: `Text for people, at most ${inWords(defaultLimits.errorLength)} characters; what \`error\` says if you leave it out.`,
      }),
    }),
  });
}

export type SyncReasonInput = ReturnType<typeof addSyncReasonInput>;
