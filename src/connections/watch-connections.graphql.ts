import type { ProviderLink as LinkRow } from '../db/rows.ts';
import { checkFilter } from '../events/events.graphql.ts';
import type { Builder } from '../graphql/builder.ts';
import type { Context } from '../graphql/context.ts';
import { followVisible, withoutSign } from '../graphql/follow-visible.ts';
import { defaultLimits } from '../limits.ts';
import type { RowChange } from '../log/changes/row-subscriber.ts';
import type { LinkListTypes } from './all-connections.graphql.ts';
import type { ConnectionTypes } from './connections.graphql.ts';
import { type LinkFilter, matchesLink } from './link-filter.ts';

/** The live subscriptions to the connections of all users that a viewer may see. */
export function addConnectionWatching(
  builder: Builder,
  { ProviderLink }: ConnectionTypes,
  { ProviderLinkFilter }: LinkListTypes,
): void {
  const ProviderLinkChangesPayload = builder.objectRef<RowChange<LinkRow>>('ProviderLinkChangesPayload').implement({
    description: 'One step of a stream of connections: the sign that it has begun, or a connection that has changed.',
    fields: (t) => ({
      began: t.boolean({
        description: 'True in the first payload, and in no other.',
        resolve: ({ kind }) => kind === 'began',
      }),
      connection: t.field({
        type: ProviderLink,
        nullable: true,
        description: 'The connection as it stands after the change; null in the first payload.',
        resolve: (change) => (change.kind === 'changed' ? change.row : null),
      }),
    }),
  });
  builder.subscriptionField('connectionChanges', (t) =>
    t.field({
      type: ProviderLinkChangesPayload,
      description:
        'Like `connections`, with a sign: the first payload says that the stream has begun. It comes once it is certain that every later change will be shown, so what is read after it has no gap to what the stream shows.',
      args: { filter: t.arg({ type: ProviderLinkFilter, description: 'Only connections that match.' }) },
      authScopes: { read: true },
      subscribe: (_, { filter }, context) => followLinks(filter, context),
      resolve: (change) => change,
    }),
  );
  builder.subscriptionField('connections', (t) =>
    t.field({
      type: ProviderLink,
      description: `Each connection that you may see whenever it has changed, from now on; progress of a sync changes none. Of several changes in a row only the last may show. One that matches no more after a change is not shown: who keeps a list asks without a filter. That time has made the health another one is a change, and is noticed within ${defaultLimits.judgingPauseMs / 1000} seconds. \`connectionChanges\` shows the same and says when it has begun.`,
      args: { filter: t.arg({ type: ProviderLinkFilter, description: 'Only connections that match.' }) },
      authScopes: { read: true },
      subscribe: (_, { filter }, context) => withoutSign(followLinks(filter, context)),
      resolve: ({ row }) => row,
    }),
  );
}

function followLinks(filter: LinkFilter | null | undefined, context: Context) {
  checkFilter(filter, context.limits);
  return followVisible(context.services.connectionChanges, (link) => matchesLink(link, filter), context);
}
