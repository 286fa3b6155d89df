import Fastify from 'fastify';
import mercurius from 'mercurius';
import { listening, listenOptions, settings } from './listening.ts';
import { openRawLog, type RawEvent } from './raw-log.ts';

/** Mercurius with graphql-jit and SQL by hand on the raw driver: what somebody writes who wants the fastest GraphQL on Node. */
const log = await openRawLog(settings.databaseUrl);

const schema = `
  type Query {
    user(id: ID!): User
    users(first: Int!, after: String): UserConnection!
  }
  type UserConnection { edges: [UserEdge!]! }
  type UserEdge { node: User! }
  type User { id: ID!, recentSyncEvents(limit: Int = 50, filter: SyncEventFilter): [SyncEvent!]! }
  input SyncEventFilter { providers: [String!] }
  type SyncEvent {
    id: ID!, sequence: Int!, cursor: String!, runId: ID!, userId: ID!, provider: String!, source: String!, stage: String!,
    status: String!, message: String, progress: Float, itemsProcessed: Int, itemsTotal: Int, error: String,
    startedAt: String, endedAt: String, timestamp: String!, recordedAt: String!
  }`;

interface User {
  readonly id: string;
}
interface Wish {
  readonly limit: number;
  readonly filter?: { readonly providers?: readonly string[] };
}

const server = Fastify();
await server.register(mercurius, {
  schema,
  jit: 1,
  resolvers: {
    Query: {
      user: (_: unknown, { id }: User) => ({ id }),
      users: async (_: unknown, { first, after }: { first: number; after?: string }) => ({
        edges: (await log.users(first, after)).map((node) => ({ node })),
      }),
    },
    SyncEvent: {
      cursor: ({ sequence }: RawEvent) => String(sequence),
      runId: (event: RawEvent) => event.run_id,
      userId: (event: RawEvent) => event.user_id,
      source: ({ source }: RawEvent) => source.toUpperCase(),
      stage: ({ stage }: RawEvent) => stage.toUpperCase(),
      status: ({ status }: RawEvent) => status.toUpperCase(),
      itemsProcessed: (event: RawEvent) => event.items_processed,
      itemsTotal: (event: RawEvent) => event.items_total,
      startedAt: (event: RawEvent) => event.started_at?.toISOString() ?? null,
      endedAt: (event: RawEvent) => event.ended_at?.toISOString() ?? null,
      timestamp: ({ timestamp }: RawEvent) => timestamp.toISOString(),
      recordedAt: (event: RawEvent) => event.recorded_at.toISOString(),
    },
  },
  loaders: {
    User: {
      recentSyncEvents: {
        // One user is one statement, several are one as well.
        async loader(queries: readonly { obj: User; params: Wish }[]) {
          const [first] = queries;
          if (!first) return [];
          if (queries.length === 1)
            return [await log.recent(first.obj.id, first.params.limit, first.params.filter?.providers)];
          return log.recentOfAll(
            queries.map(({ obj }) => obj.id),
            first.params.limit,
          );
        },
        opts: { cache: false },
      },
    },
  },
});
listening(new URL(await server.listen(listenOptions)).port);
