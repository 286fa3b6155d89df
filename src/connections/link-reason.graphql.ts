import type { ProviderLink as LinkRow } from '../db/rows.ts';
import { findEvent } from '../events/event-connection.graphql.ts';
import type { Builder } from '../graphql/builder.ts';
import type { Context } from '../graphql/context.ts';
import type { SyncEvent } from '../log/event.ts';
import { judgementOfClass, reasonClasses } from '../reasons/reason-rules.ts';
import type { ReasonTypes } from '../reasons/reasons.graphql.ts';
import { reasonOf, reasonOfFailure, reasonOfWord, type SyncReason } from '../reasons/sync-reason.ts';
import type { ConnectionTypes } from './connections.graphql.ts';

/** What is wrong with a connection, as a field of it. */
export function addLinkReason(builder: Builder, { ProviderLink }: ConnectionTypes, { SyncReason }: ReasonTypes): void {
  builder.prismaObjectField(ProviderLink, 'reason', (t) =>
    t.field({
      type: SyncReason,
      nullable: true,
      description:
        'What is wrong: why the connection was revoked or has broken, else why the newest of the syncs that failed since the last success did, or what was reported of the connection since. Null when nothing is.',
      authScopes: { read: true },
      resolve: reasonOfLink,
    }),
  );
}

export async function reasonOfLink(
  link: LinkRow,
  _: object,
  context: Context,
): Promise<SyncReason<SyncEvent | null> | null> {
  const { userId, problem, problemSequence, reasonClass } = link;
  if (problemSequence !== null) {
    const event = await findEvent({ userId, sequence: problemSequence }, context);
    if (event) return reasonOf(event);
  } else if (problem === null) return null;
  const reason = problemSequence === null ? reasonOfWord(problem ?? '') : reasonOfFailure(problem);
  // What kind of reason it was is kept, also of what was stated beside the error, or the word.
  const known = reasonClasses.find((each) => each === reasonClass);
  return known && known !== reason?.class ? { ...judgementOfClass[known], text: problem, event: null } : reason;
}
