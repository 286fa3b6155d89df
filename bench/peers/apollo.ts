import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import DataLoader from 'dataloader';
import { listening, listenOptions, settings } from './listening.ts';
import { openClient } from './stock-client.ts';

/** Apollo Server with DataLoader and Prisma: the stack of most tutorials. */
const client = openClient(settings.databaseUrl);
type Event = Awaited<ReturnType<typeof client.syncEvent.findFirstOrThrow>>;
interface Wish {
  readonly userId: string;
  readonly limit: number;
  readonly providers: readonly string[] | undefined;
}
interface Context {
  readonly events: DataLoader<Wish, Event[]>;
}

const typeDefs = `
  type Query { user(id: ID!): User, users(first: Int!, after: String): UserConnection! }
  type UserConnection { edges: [UserEdge!]! }
  type UserEdge { node: User! }
  type User { id: ID!, recentSyncEvents(limit: Int = 50, filter: SyncEventFilter): [SyncEvent!]! }
  input SyncEventFilter { providers: [String!] }
  type SyncEvent {
    id: ID!, sequence: Int!, cursor: String!, runId: ID!, provider: String!, source: String!, stage: String!, status: String!,
    message: String, progress: Float, itemsProcessed: Int, itemsTotal: Int, timestamp: String!, recordedAt: String!
  }`;

const server = new ApolloServer<Context>({
  typeDefs,
  resolvers: {
    Query: {
      user: (_, { id }) => client.user.findUnique({ where: { id } }),
      users: async (_, { first, after }) => {
        const users = await client.user.findMany({
          take: first,
          orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
          ...(after && { cursor: { id: after }, skip: 1 }),
        });
        return { edges: users.map((node) => ({ node })) };
      },
    },
    User: {
      recentSyncEvents: ({ id }, { limit, filter }, { events }) =>
        events.load({ userId: id, limit, providers: filter?.providers }),
    },
    SyncEvent: {
      cursor: ({ sequence }: Event) => String(sequence),
      source: ({ source }: Event) => source.toUpperCase(),
      stage: ({ stage }: Event) => stage.toUpperCase(),
      status: ({ status }: Event) => status.toUpperCase(),
      timestamp: ({ timestamp }: Event) => timestamp.toISOString(),
      recordedAt: ({ recordedAt }: Event) => recordedAt.toISOString(),
    },
  },
});

const { url } = await startStandaloneServer(server, {
  listen: listenOptions,
  context: async () => ({
    // Newest events of each user are no `IN`: people who know that write one statement for each key.
    events: new DataLoader<Wish, Event[]>((keys) =>
      Promise.all(
        keys.map(({ userId, limit, providers }) =>
          client.syncEvent.findMany({
            where: { userId, ...(providers && { provider: { in: [...providers] } }) },
            take: limit,
            orderBy: { sequence: 'desc' },
          }),
        ),
      ),
    ),
  }),
});
listening(new URL(url).port);
