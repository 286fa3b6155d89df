import { type Client, createClient } from 'graphql-ws';
import WebSocket from 'ws';
import type { Headers } from './server.ts';

/** One result of a stream, as it came over the wire. */
export interface StreamResult {
  // biome-ignore lint/suspicious/noExplicitAny: tests read results of any shape, and fail where it is another
  readonly data?: any;
  readonly errors?: readonly { message: string; extensions: Record<string, unknown> }[];
  /** `id:` of a server-sent event. */
  readonly id?: string;
}

/** A subscription as a test reads it: result by result, waiting for the next one. */
export interface TestStream {
  /** The next result; undefined when the server says that the stream is complete. @throws when the connection ends */
  next(): Promise<StreamResult | undefined>;
  /** Leaves: cancels the subscription and closes its connection. */
  close(): Promise<void>;
}

export interface StreamRequest {
  readonly query: string;
  readonly variables?: Record<string, unknown>;
  readonly headers: Headers;
}

/** The connection of a stream ended without the server saying `complete`. */
export class StreamCut extends Error {
  readonly code: number | undefined;

  constructor(code?: number) {
    super(`The connection ended${code === undefined ? '' : ` with ${code}`}`);
    this.code = code;
  }
}

/** Both ways to subscribe, under the names that a suite loops over. */
export const streamTransports = { websocket: openWebSocketStream, sse: openSseStream } as const;

/** Subscribes with the graphql-ws client, without its retries. Credentials go into `connection_init`. */
export async function openWebSocketStream(
  url: string,
  { query, variables = {}, headers }: StreamRequest,
): Promise<TestStream> {
  let closeCode: number | undefined;
  const client: Client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { ...headers },
    retryAttempts: 0,
    on: { closed: (event) => (closeCode = (event as CloseEvent).code) },
  });
  const results = client.iterate({ query, variables });
  return {
    async next() {
      try {
        const { value, done } = await results.next();
        return done ? undefined : (value as StreamResult);
      } catch (error) {
        if (Array.isArray(error)) return { errors: error };
        throw new StreamCut((error as CloseEvent).code ?? closeCode);
      }
    },
    async close() {
      await results.return?.();
      await client.dispose();
    },
  };
}

/** Subscribes by POST with `Accept: text/event-stream`. */
export async function openSseStream(
  url: string,
  { query, variables = {}, headers }: StreamRequest,
): Promise<TestStream> {
  const abort = new AbortController();
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
    body: JSON.stringify({ query, variables }),
    signal: abort.signal,
  });
  if (!response.headers.get('content-type')?.startsWith('text/event-stream'))
    throw new Error(`No stream, but ${response.status}: ${await response.text()}`);
  const frames = readFrames(response.body as ReadableStream<Uint8Array>);
  return {
    async next() {
      for (;;) {
        const { value, done } = await frames.next();
        if (done) throw new StreamCut();
        if (value.event === 'complete') return undefined;
        if (value.event === 'next') return { ...JSON.parse(value.data), ...(value.id && { id: value.id }) };
      }
    },
    async close() {
      abort.abort();
      await frames.return(undefined).catch(() => {});
    },
  };
}

/**
 * Cuts a body into the events of the text/event-stream format; comments are left out. The body is taken at once: `fetch`
 * cancels one that nobody has begun to read when its response is garbage-collected.
 */
export function readFrames(body: ReadableStream<Uint8Array>): AsyncGenerator<Frame> {
  return framesOf(body.values());
}

interface Frame {
  readonly event: string;
  readonly data: string;
  readonly id: string | undefined;
}

async function* framesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of chunks) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = new Map(
        text
          .slice(0, end)
          .split('\n')
          .filter((line) => line && !line.startsWith(':'))
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trimStart()]),
      );
      text = text.slice(end + 2);
      if (fields.size > 0)
        yield { event: fields.get('event') ?? 'message', data: fields.get('data') ?? '', id: fields.get('id') };
    }
  }
}
