import { checkCursors } from '../../events/event-connection.graphql.ts';
import { prepareAwaited } from './awaited-user.ts';
import { eventFilterParameters, toEventFilter } from './event-filter.ts';
import { arrayOf, schemaNamed } from './json-schema.ts';
import { listAnswer } from './list-answer.ts';
import { cursorInQuery, integer, userInPath } from './parameters.ts';
import { CURSOR_HEADER } from './rest-answer.ts';
import { defineRoute } from './route.ts';
import { wireEventFields, writeEvent } from './wire-event.ts';
import { type Selected, selectionOf } from './wire-fields.ts';

const event = selectionOf(wireEventFields);

const newest = `query RecentSyncEvents($userId: UUID!, $limit: Int!, $filter: SyncEventFilter) {
  user(id: $userId) { headCursor recentSyncEvents(limit: $limit, filter: $filter) { ${event} } }
}`;

const next = `query NextSyncEvents($userId: UUID!, $limit: Int!, $after: String!, $filter: SyncEventFilter) {
  user(id: $userId) {
    headCursor
    syncEvents(first: $limit, after: $after, filter: $filter) {
      edges { node { ${event} } }
      pageInfo { hasNextPage endCursor }
    }
  }
}`;

interface Newest {
  readonly user: { readonly headCursor: string; readonly recentSyncEvents: readonly Selected[] } | null;
}

interface Next {
  readonly user: {
    readonly headCursor: string;
    readonly syncEvents: {
      readonly edges: readonly { readonly node: Selected }[];
      readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string };
    };
  } | null;
}

/** The newest events of a user, or with `after` the next ones; newest first: Open Wearables' `/sync/recent`. */
export const recentEvents = defineRoute({
  method: 'GET',
  path: '/users/:user_id/sync/recent',
  operationId: 'recentSyncEvents',
  summary: "A user's newest events, or the next ones after a cursor",
  description:
    'Newest first. With `after`, the events that follow this cursor most closely: call again with the cursor of the answer for more.',
  parameters: ({ pageSize, defaultPageSize }) => ({
    user_id: userInPath,
    limit: integer({ min: 1, max: pageSize, fallback: defaultPageSize, description: 'How many events at most.' }),
    after: cursorInQuery,
    ...eventFilterParameters,
  }),
  answer: {
    status: 200,
    description: 'Events, newest first.',
    type: 'application/json',
    schema: arrayOf(schemaNamed('SyncEvent')),
    headers: { [CURSOR_HEADER]: 'Everything that matches has been shown up to here: go on after it.' },
  },
  errors: ['NOT_FOUND'],
  open({ prepare, limits }) {
    const runNewest = prepare<Newest>(newest);
    const runNext = prepare<Next>(next);
    const requireAwaited = prepareAwaited({ prepare });
    const answer = (events: readonly Selected[], cursor: string) =>
      listAnswer(events.map(writeEvent), limits, { [CURSOR_HEADER]: cursor });
    return async ({ user_id: userId, limit, after, ...filters }, visit) => {
      const variables = { userId, limit, filter: toEventFilter(filters) };
      if (after === undefined) {
        const { user } = await runNewest(visit, variables);
        if (user) return answer(user.recentSyncEvents, user.headCursor);
        await requireAwaited(visit, userId);
        return answer([], emptyLog.cursor);
      }
      const { user } = await runNext(visit, { ...variables, after });
      if (!user) {
        await requireAwaited(visit, userId);
        checkCursors({ after: Number(after) }, emptyLog);
        return answer([], emptyLog.cursor);
      }
      const { edges, pageInfo } = user.syncEvents;
      const events = edges.map(({ node }) => node).reverse();
      return answer(events, pageInfo.hasNextPage ? pageInfo.endCursor : user.headCursor);
    };
  },
});

/** Of a user who is awaited. */
const emptyLog = { headSequence: 0, tailSequence: 1, cursor: '0' } as const;
