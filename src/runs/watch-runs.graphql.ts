import type { SyncRun as SyncRunRow } from '../db/rows.ts';
import { checkFilter } from '../events/events.graphql.ts';
import { withinSight } from '../events/within-sight.ts';
import type { Builder } from '../graphql/builder.ts';
import type { Context } from '../graphql/context.ts';
import { followVisible, withoutSign } from '../graphql/follow-visible.ts';
import type { RowChange } from '../log/changes/row-subscriber.ts';
import { matchesRun, type SyncRunFilter } from './run-filter.ts';
import type { RunTypes } from './runs.graphql.ts';

/** The live subscriptions to the runs of all users that a viewer may see. */
export function addRunWatching(builder: Builder, { SyncRun, SyncRunFilterInput }: RunTypes): void {
  const SyncRunChangesPayload = builder.objectRef<RowChange<SyncRunRow>>('SyncRunChangesPayload').implement({
    description: 'One step of a stream of runs: the sign that it has begun, or a run that has changed.',
    fields: (t) => ({
      began: t.boolean({
        description: 'True in the first payload, and in no other.',
        resolve: ({ kind }) => kind === 'began',
      }),
      run: t.field({
        type: SyncRun,
        nullable: true,
        description: 'The run as it stands after the change; null in the first payload.',
        resolve: (change) => (change.kind === 'changed' ? change.row : null),
      }),
    }),
  });
  builder.subscriptionField('syncRunChanges', (t) =>
    t.field({
      type: SyncRunChangesPayload,
      description:
        'Like `syncRuns`, with a sign: the first payload says that the stream has begun. It comes once it is certain that every later change will be shown, so what is read after it has no gap to what the stream shows.',
      args: { filter: t.arg({ type: SyncRunFilterInput, description: 'Only runs that match.' }) },
      authScopes: { read: true },
      subscribe: (_, { filter }, context) => followRuns(filter, context),
      resolve: (change) => change,
    }),
  );
  builder.subscriptionField('syncRuns', (t) =>
    t.field({
      type: SyncRun,
      description:
        'Each run that you may see whenever it changes, from now on. Of several changes in a row only the last may show. That time passes is no change: a run that falls silent is not shown again, but its `health` is up to date wherever it is read. `syncRunChanges` shows the same and says when it has begun.',
      args: { filter: t.arg({ type: SyncRunFilterInput, description: 'Only runs that match.' }) },
      authScopes: { read: true },
      subscribe: (_, { filter }, context) => withoutSign(followRuns(filter, context)),
      resolve: ({ row }) => row,
    }),
  );
}

function followRuns(asked: SyncRunFilter | null | undefined, context: Context) {
  checkFilter(asked, context.limits);
  const filter = withinSight(asked, context);
  return followVisible(context.services.runChanges, (run, judgedAt) => matchesRun(run, filter, judgedAt), context);
}
