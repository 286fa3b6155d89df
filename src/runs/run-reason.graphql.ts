import type { SyncRun as SyncRunRow } from '../db/rows.ts';
import { findEvent } from '../events/event-connection.graphql.ts';
import type { Builder } from '../graphql/builder.ts';
import type { Context } from '../graphql/context.ts';
import type { SyncEvent } from '../log/event.ts';
import type { ReasonTypes } from '../reasons/reasons.graphql.ts';
import { reasonOf, reasonOfFailure, type SyncReason } from '../reasons/sync-reason.ts';
import type { RunTypes } from './runs.graphql.ts';

/** Why a run did not succeed, as a field of it. */
export function addRunReason(builder: Builder, { SyncRun }: RunTypes, { SyncReason }: ReasonTypes): void {
  builder.prismaObjectField(SyncRun, 'reason', (t) =>
    t.field({
      type: SyncReason,
      nullable: true,
      description:
        'What is wrong with the run as it stands, or with a part of it: the reason of the newest end that says so. Null once the run has ended well, unless batches are left that have failed.',
      authScopes: { read: true },
      resolve: reasonOfRun,
    }),
  );
}

async function reasonOfRun(run: SyncRunRow, _: object, context: Context): Promise<SyncReason<SyncEvent | null> | null> {
  if (run.failedSequence === null) return null;
  const event = await findEvent({ userId: run.userId, sequence: run.failedSequence }, context);
  return event ? reasonOf(event) : reasonOfFailure(run.milestoneError);
}
