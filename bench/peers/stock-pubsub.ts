import { createServer } from 'node:http';
import { useServer } from 'graphql-ws/use/ws';
import { createPubSub, createSchema, createYoga } from 'graphql-yoga';
import { WebSocketServer } from 'ws';
import { listenOn } from './listening.ts';
import { textOf } from './request-text.ts';
import type { Draft } from './write-log.ts';

/**
 * Yoga's pub/sub with graphql-ws as their guides put them together: whoever is connected gets what is published, from
 * memory alone. `POST /publish` publishes an event.
 */
interface Published extends Draft {
  readonly sequence: number;
  readonly recordedAt: string;
}

const pubSub = createPubSub<{ events: [userId: string, event: Published] }>();
const schema = createSchema({
  typeDefs: `
    type Query { ok: Boolean }
    type Subscription { syncEvents(userId: ID!, after: String): SyncEventsPayload! }
    type SyncEventsPayload { cursor: String!, caughtUp: Boolean!, events: [SyncEvent!]! }
    type SyncEvent {
      id: ID!, sequence: Int!, cursor: String!, runId: ID!, provider: String!, source: String!, stage: String!, status: String!,
      message: String, progress: Float, itemsProcessed: Int, itemsTotal: Int, timestamp: String!, recordedAt: String!
    }`,
  resolvers: {
    Subscription: {
      syncEvents: {
        subscribe: (_: unknown, { userId }: { userId: string }) => pubSub.subscribe('events', userId),
        resolve: (event: Published) => ({ cursor: String(event.sequence), caughtUp: true, events: [event] }),
      },
    },
    SyncEvent: {
      cursor: ({ sequence }: Published) => String(sequence),
      source: ({ source }: Published) => source.toUpperCase(),
      stage: ({ stage }: Published) => stage.toUpperCase(),
      status: ({ status }: Published) => status.toUpperCase(),
    },
  },
});

let sequence = 0;
const yoga = createYoga({ schema });
const server = createServer(async (request, response) => {
  if (request.url !== '/publish') return yoga(request, response);
  const draft = JSON.parse(await textOf(request)) as Draft;
  sequence += 1;
  pubSub.publish('events', draft.userId, { ...draft, sequence, recordedAt: new Date().toISOString() });
  response.writeHead(200, { 'content-length': 0 }).end();
});
useServer({ schema }, new WebSocketServer({ server, path: '/graphql' }));
listenOn(server);
