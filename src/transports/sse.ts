import { setTimeout as wait } from 'node:timers/promises';
import type { GraphQLError } from 'graphql';
import { resultCursor, type StreamedResult } from '../graphql/subscribe.ts';

/** A comment is sent after this much silence, so that nothing on the way takes the connection for dead. */
const HEARTBEAT_MS = 12_000;

const encoder = new TextEncoder();

/**
 * Results as server-sent events, in the distinct connections mode of the GraphQL over SSE protocol. Each event's `id:`
 * is its cursor, which a browser sends back as `Last-Event-ID`. After an end that the server brought about by shutting
 * down there is no `complete` event: that would tell the client not to come back.
 */
export function toServerSentEvents(
  results: AsyncIterable<StreamedResult> | StreamedResult,
): ReadableStream<Uint8Array> {
  const iterator = Symbol.asyncIterator in results ? results[Symbol.asyncIterator]() : once(results);
  const heartbeat = new AbortController();
  let comesBack = false;

  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode(': connected\n\n')); // lets the headers through
      void beat(controller, heartbeat.signal);
    },
    async pull(controller) {
      const { value, done } = await iterator.next();
      if (value) {
        comesBack = value.errors?.some((error: GraphQLError) => error.extensions.code === 'UNAVAILABLE') ?? false;
        controller.enqueue(encoder.encode(toEvent(value)));
      }
      if (!done) return;
      heartbeat.abort();
      if (!comesBack) controller.enqueue(encoder.encode('event: complete\ndata:\n\n'));
      controller.close();
    },
    async cancel() {
      heartbeat.abort();
      await iterator.return?.();
    },
  });
}

function toEvent(result: StreamedResult): string {
  const cursor = result[resultCursor];
  return `event: next\n${cursor === undefined ? '' : `id: ${cursor}\n`}data: ${JSON.stringify(result)}\n\n`;
}

/** Only a reader that has taken everything gets a comment. */
async function beat(controller: ReadableStreamDefaultController<Uint8Array>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await wait(HEARTBEAT_MS, undefined, { signal, ref: false }).catch(() => {});
    if (!signal.aborted && (controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(':\n\n'));
  }
}

async function* once(result: StreamedResult): AsyncGenerator<StreamedResult> {
  yield result;
}
