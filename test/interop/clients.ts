import { ApolloClient, gql, HttpLink, InMemoryCache, split } from '@apollo/client';
import { CombinedGraphQLErrors } from '@apollo/client/errors';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { getMainDefinition } from '@apollo/client/utilities';
import { cacheExchange, fetchExchange, subscriptionExchange, Client as UrqlClient } from '@urql/core';
import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createSocketClient } from 'graphql-ws';
import WebSocket from 'ws';
import type { Headers } from '../support/server.ts';
import { createRelayClient } from './relay-client.ts';

/** What an operation came to. */
interface Outcome {
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers of any shape, and fail where it is another
  readonly data?: any;
  readonly codes: readonly unknown[];
}

/** A program that other people use to talk to a server like this one. */
export interface Client {
  run(query: string, variables: Readonly<Record<string, unknown>>): Promise<Outcome>;
  /** Calls with the data of each result, until it is ended. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  follow(query: string, variables: Readonly<Record<string, unknown>>, onData: (data: any) => void): () => void;
  close(): void;
}

type Errors = readonly { readonly extensions?: Readonly<Record<string, unknown>> | undefined }[];
const codesOf = (errors: Errors | null | undefined) => (errors ?? []).map(({ extensions }) => extensions?.code);

/** Those of the field, by name. */
export const clients: Readonly<Record<string, (url: string, headers: Headers) => Client>> = {
  'graphql-ws': (url, headers) => fromSubscribe(socketsOf(url, headers)),

  'graphql-sse': (url, headers) =>
    fromSubscribe(createSseClient({ url: `${url}/graphql`, headers: { ...headers }, retryAttempts: 0 })),

  'urql, with a socket for subscriptions': (url, headers) => {
    const sockets = socketsOf(url, headers);
    const subscriptions = subscriptionExchange({
      forwardSubscription: ({ query = '', variables }) => ({
        subscribe: (sink) => ({
          unsubscribe: sockets.subscribe(
            { query, variables: { ...variables } },
            {
              next: ({ data, errors }) => sink.next({ data: data ?? null, errors: [...(errors ?? [])] }),
              error: (error) => sink.error(error),
              complete: () => sink.complete(),
            },
          ),
        }),
      }),
    });
    return fromUrql(url, headers, [subscriptions], () => void sockets.dispose());
  },

  'urql, with server-sent events': (url, headers) => fromUrql(url, headers, [], () => {}),

  'Apollo Client': (url, headers) => {
    const sockets = socketsOf(url, headers);
    const link = split(
      ({ query }) => (getMainDefinition(query) as { operation?: string }).operation === 'subscription',
      new GraphQLWsLink(sockets),
      new HttpLink({ uri: `${url}/graphql`, headers: { ...headers } }),
    );
    const client = new ApolloClient({ link, cache: new InMemoryCache() });
    return {
      async run(text, variables) {
        const document = gql(text);
        const isMutation = text.trimStart().startsWith('mutation');
        try {
          const { data } = isMutation
            ? await client.mutate({ mutation: document, variables })
            : await client.query({ query: document, variables });
          return { data, codes: [] };
        } catch (error) {
          if (CombinedGraphQLErrors.is(error)) return { codes: codesOf(error.errors) };
          throw error;
        }
      },
      follow(text, variables, onData) {
        const subscription = client.subscribe({ query: gql(text), variables }).subscribe(({ data }) => onData(data));
        return () => subscription.unsubscribe();
      },
      close() {
        client.stop();
        void sockets.dispose();
      },
    };
  },

  Relay: (url, headers) => {
    const sockets = socketsOf(url, headers);
    return createRelayClient(url, headers, sockets);
  },
};

function socketsOf(url: string, headers: Headers) {
  return createSocketClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { ...headers },
    retryAttempts: 0,
  });
}

interface Subscribes {
  subscribe(
    request: { query: string; variables: Record<string, unknown> },
    sink: {
      next(result: { data?: unknown; errors?: Errors | undefined }): void;
      error(error: unknown): void;
      complete(): void;
    },
  ): () => void;
  dispose(): unknown;
}

function fromSubscribe(client: Subscribes): Client {
  return {
    run: (query, variables) =>
      new Promise((resolve, reject) => {
        let outcome: Outcome = { codes: [] };
        client.subscribe(
          { query, variables: { ...variables } },
          {
            next: ({ data, errors }) => {
              outcome = { data, codes: codesOf(errors) };
            },
            error: (error) => (Array.isArray(error) ? resolve({ codes: codesOf(error) }) : reject(error)),
            complete: () => resolve(outcome),
          },
        );
      }),
    follow: (query, variables, onData) =>
      client.subscribe(
        { query, variables: { ...variables } },
        {
          next: ({ data }) => onData(data),
          error: () => {},
          complete: () => {},
        },
      ),
    close: () => void client.dispose(),
  };
}

function fromUrql(
  url: string,
  headers: Headers,
  more: readonly ReturnType<typeof subscriptionExchange>[],
  close: () => void,
): Client {
  const client = new UrqlClient({
    url: `${url}/graphql`,
    fetchOptions: { headers: { ...headers } },
    exchanges: [cacheExchange, ...more, fetchExchange],
    fetchSubscriptions: more.length === 0,
  });
  return {
    async run(query, variables) {
      const isMutation = query.trimStart().startsWith('mutation');
      const { data, error } = await (isMutation ? client.mutation(query, variables) : client.query(query, variables));
      return { data, codes: codesOf(error?.graphQLErrors) };
    },
    follow(query, variables, onData) {
      const { unsubscribe } = client.subscription(query, variables).subscribe(({ data }) => onData(data));
      return unsubscribe;
    },
    close,
  };
}
