import { onTestFinished } from 'vitest';
import WebSocket, { createWebSocketStream } from 'ws';
import type { Headers } from './server.ts';
import { openSseStream, StreamCut, type StreamRequest, type StreamResult, type TestStream } from './streams.ts';

/** An event as a reader of a log sees it. */
export interface ReadEvent {
  readonly id: string;
  readonly sequence: number;
  readonly cursor: string;
  readonly userId: string;
  readonly runId: string;
  readonly provider: string;
  readonly message: string | null;
}

/** One payload of `syncEvents`. */
export interface Step {
  readonly events: readonly ReadEvent[];
  readonly cursor: string;
  readonly headCursor: string;
  readonly caughtUp: boolean;
  readonly reset: { readonly reason: string; readonly oldestCursor: string; readonly headCursor: string } | null;
  /** `id:` of the server-sent event. */
  readonly id: string | undefined;
}

/** How a stream ended: with an error or without, and what closed it. */
interface StreamEnd {
  readonly code: string | undefined;
  /** Cursor that came with the error. */
  readonly cursor: string | undefined;
  /** What came after the last result: the word `complete`, or the end of the connection (with its close code). */
  readonly by: 'complete' | { readonly closeCode: number | undefined };
}

export interface LogWish {
  readonly userId: string;
  readonly after?: string;
  readonly replayLast?: number;
  readonly filter?: object;
}

export type OpenStream = (url: string, request: StreamRequest) => Promise<TestStream>;

/** A subscription to one log. */
export interface LogReader {
  /** The next payload. @throws when there is none, or when the result has errors */
  step(): Promise<Step>;
  /** Steps up to the first one that `isLast`. */
  until(isLast: (step: Step) => boolean): Promise<Step[]>;
  /** All events of the steps up to the one with this sequence. */
  eventsUpTo(sequence: number): Promise<ReadEvent[]>;
  /** Reads up to the end. */
  end(): Promise<StreamEnd>;
  close(): Promise<void>;
}

export const readLog = `
  subscription ($userId: UUID!, $after: SyncCursor, $replayLast: Int, $filter: SyncEventFilter) {
    syncEvents(userId: $userId, after: $after, replayLast: $replayLast, filter: $filter) {
      events { id sequence cursor userId runId provider message }
      cursor headCursor caughtUp
      reset { reason oldestCursor headCursor }
    }
  }`;

/** Subscribes to a log. The subscription ends with the test. */
export async function openLog(
  open: OpenStream,
  { url, headers }: { readonly url: string; readonly headers: Headers },
  wish: LogWish,
  query = readLog,
): Promise<LogReader> {
  const stream = await open(url, { query, variables: { ...wish }, headers });
  onTestFinished(() => stream.close());
  return toLogReader(stream);
}

function toLogReader(stream: TestStream): LogReader {
  const reader: LogReader = {
    async step() {
      const result = await stream.next();
      if (!result) throw new Error('The stream is complete');
      return toStep(result);
    },
    async until(isLast) {
      const steps: Step[] = [];
      do steps.push(await reader.step());
      while (!isLast(steps.at(-1) as Step)); // just pushed
      return steps;
    },
    async eventsUpTo(sequence) {
      const steps = await reader.until(({ cursor }) => Number(cursor) >= sequence);
      return steps.flatMap(({ events }) => events);
    },
    async end() {
      let error: NonNullable<StreamResult['errors']>[number] | undefined;
      const told = () => ({ code: error?.extensions.code as string, cursor: error?.extensions.cursor as string });
      try {
        for (let result = await stream.next(); result; result = await stream.next()) error = result.errors?.[0];
        return { ...told(), by: 'complete' };
      } catch (cut) {
        if (!(cut instanceof StreamCut)) throw cut;
        return { ...told(), by: { closeCode: cut.code } };
      }
    },
    close: () => stream.close(),
  };
  return reader;
}

/** The payload of a result. @throws the first error, with its code in the message */
export function toStep({ data, errors, id }: StreamResult): Step {
  if (errors?.[0]) throw new Error(`${errors[0].extensions.code}: ${errors[0].message}`);
  return { ...data.syncEvents, id };
}

/** Both transports, reading from the socket only what the test asks for, so that a lazy test is a slow client. */
export const lazyTransports = { websocket: openLazyWebSocketStream, sse: openSseStream } as const;

/** Speaks the protocol by hand: the graphql-ws client takes everything from the socket as it comes. */
async function openLazyWebSocketStream(
  url: string,
  { query, variables = {}, headers }: StreamRequest,
): Promise<TestStream> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  const wire = createWebSocketStream(socket, { encoding: 'utf8', readableObjectMode: true, readableHighWaterMark: 1 });
  const messages = wire[Symbol.asyncIterator]();
  wire.write(JSON.stringify({ type: 'connection_init', payload: headers }));
  await messages.next();
  wire.write(JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables } }));
  return {
    async next() {
      for (;;) {
        const { value, done } = await messages.next();
        if (done) throw new StreamCut();
        const { type, payload } = JSON.parse(value);
        if (type === 'complete') return undefined;
        if (type === 'next') return payload;
        if (type === 'error') return { errors: payload };
      }
    },
    async close() {
      socket.terminate();
      await messages.return?.();
    },
  };
}
