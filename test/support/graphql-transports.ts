import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import type { Headers } from './server.ts';
import { readFrames } from './streams.ts';

export interface Operation {
  readonly query: string;
  readonly variables?: Record<string, unknown>;
  readonly operationName?: string;
  readonly headers?: Headers;
}

/** What an operation answered, whatever way it went. */
export interface OperationAnswer {
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers of any shape, and fail where it is another
  readonly data?: any;
  readonly errors?: readonly {
    readonly message: string;
    readonly path?: readonly (string | number)[];
    readonly locations?: readonly { readonly line: number; readonly column: number }[];
    readonly extensions: Record<string, unknown>;
  }[];
  readonly extensions?: Record<string, unknown>;
}

export type Ask = (url: string, operation: Operation) => Promise<OperationAnswer>;

/** Every way to run a query or a mutation, under the names that a suite loops over. GET is for queries only. */
export const transports: Readonly<Record<'post' | 'get' | 'sse' | 'websocket', Ask>> = {
  async post(url, { headers, ...parameters }) {
    const response = await post(url, parameters, headers);
    return response.json();
  },

  async get(url, { headers, query, variables, operationName }) {
    const parameters = new URLSearchParams({
      query,
      ...(variables && { variables: JSON.stringify(variables) }),
      ...(operationName && { operationName }),
    });
    const response = await fetch(`${url}/graphql?${parameters}`, { headers: { ...headers } });
    return response.json();
  },

  async sse(url, { headers, ...parameters }) {
    const response = await post(url, parameters, { ...headers, accept: 'text/event-stream' });
    const frames: { event: string; data: string }[] = [];
    for await (const { event, data } of readFrames(response.body as ReadableStream<Uint8Array>))
      frames.push({ event, data });
    return onlyResult(frames.map(({ event, data }) => (event === 'next' ? JSON.parse(data) : event)));
  },

  async websocket(url, { headers, ...parameters }) {
    const client = createClient({
      url: `${url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { ...headers },
      retryAttempts: 0,
    });
    const results: unknown[] = [];
    try {
      for await (const result of client.iterate(parameters)) results.push(result);
      results.push('complete');
    } catch (errors) {
      if (!Array.isArray(errors)) throw errors;
      results.push({ errors }, 'complete'); // an `error` message is the last one of its operation
    } finally {
      await client.dispose();
    }
    return onlyResult(results);
  },
};

/** The codes of an answer's errors; empty when there are none. */
export function codesOf({ errors = [] }: OperationAnswer): unknown[] {
  return errors.map(({ extensions }) => extensions.code);
}

function post(url: string, parameters: object, headers: Headers | undefined): Promise<Response> {
  return fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(parameters),
  });
}

/** Queries and mutations have one result, and after it nothing but the word that this was all. */
function onlyResult([result, ...rest]: unknown[]): OperationAnswer {
  if (rest.length !== 1 || rest[0] !== 'complete') throw new Error(`After the result came ${JSON.stringify(rest)}`);
  return result as OperationAnswer; // the servers' own tests say what a result looks like
}
