import { visibility } from '../auth/permissions.ts';
import { isStorable } from '../db/columns.ts';
import type { ProviderLink } from '../db/rows.ts';
import { checkFilter } from '../events/events.graphql.ts';
import type { WordTypes } from '../events/words.graphql.ts';
import type { Batch } from '../graphql/batch.ts';
import type { Builder } from '../graphql/builder.ts';
import { pageOf } from '../graphql/items.ts';
import { pageSizes } from '../graphql/limit-texts.ts';
import { fetchConnection, keyCursor, parsePage } from '../graphql/paging.ts';
import { isUuid } from '../lib/uuid.ts';
import { defaultLimits } from '../limits.ts';
import type { ReasonTypes } from '../reasons/reasons.graphql.ts';
import type { ConnectionTypes } from './connections.graphql.ts';
import type { LinkKey, LinkPageRequest } from './link-pages.ts';

const linkPages: Batch<LinkPageRequest, readonly ProviderLink[]> = {
  keyOf: JSON.stringify,
  find: (requests, { connections }) => connections.list(requests),
};

const linkCursor = keyCursor<LinkKey>(
  ({ provider, userId }) => [provider, userId],
  ([provider, userId, ...others]) =>
    typeof provider === 'string' &&
    isStorable(provider) &&
    typeof userId === 'string' &&
    isUuid(userId) &&
    others.length === 0
      ? { provider, userId }
      : undefined,
);

/** The connections of all users that a viewer may see. */
export function addAllConnections(
  builder: Builder,
  { ProviderLink, LinkState, ConnectionHealth }: ConnectionTypes,
  { SyncScope }: WordTypes,
  { SyncReasonClass }: ReasonTypes,
) {
  const ProviderLinkConnection = builder.connectionObject(
    { type: ProviderLink, name: 'ProviderLinkConnection', description: 'A page of connections.' },
    { name: 'ProviderLinkEdge', description: 'A connection in a list.' },
  );
  const ProviderLinkFilter = builder.inputType('ProviderLinkFilter', {
    description: 'Which connections are wanted: those that match every given part. An empty list matches nothing.',
    fields: (t) => ({
      state: t.field({ type: [LinkState], description: 'In any of these states.' }),
      health: t.field({
        type: [ConnectionHealth],
        description: `With any of these healths, as they were judged last: that time goes by is looked for every ${defaultLimits.judgingPauseMs / 1000} seconds.`,
      }),
      reason: t.field({
        type: [SyncReasonClass],
        description: 'With something wrong for any of these reasons, as they were found when it was told.',
      }),
      scope: t.field({ type: [SyncScope], description: 'With a newest run that is about any of these.' }),
      provider: t.stringList({ description: 'With any of these providers.' }),
    }),
  });
  builder.queryField('connections', (t) =>
    t.field({
      type: ProviderLinkConnection,
      ...pageOf(),
      description: `The connections that you may see, by provider, and by user within one. ${pageSizes()}. A connection keeps its place, whatever becomes of it, so that paging shows each that matches all the while once.`,
      args: {
        ...t.arg.connectionArgs(),
        filter: t.arg({ type: ProviderLinkFilter, description: 'Only connections that match.' }),
      },
      authScopes: { read: true },
      resolve: (_, { filter, ...args }, { viewer, limits, load }) => {
        checkFilter(filter, limits);
        const page = parsePage(args, linkCursor, { size: limits.defaultPageSize, maxSize: limits.pageSize });
        return fetchConnection(
          page,
          (link: ProviderLink) => linkCursor.encode(link),
          (wider) => load(linkPages, { ...wider, visible: visibility(viewer), filter }),
        );
      },
    }),
  );
  return { ProviderLinkFilter };
}

export type LinkListTypes = ReturnType<typeof addAllConnections>;
