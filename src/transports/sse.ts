import { passingEnd, resultCursor, resultDelivered, type StreamedResult } from '../operations/result-stream.ts';
import { jsonOf } from './result-message.ts';

/** With these headers nothing on the way holds events back. */
export const eventStreamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-store, no-transform',
  'x-accel-buffering': 'no',
  connection: 'keep-alive',
} as const;

/** How a stream writes its results down as server-sent events. */
export interface EventFormat {
  /** Frames for a result; may be empty. */
  write(result: StreamedResult): string;
  /** Frames to end with. */
  end(): string;
  /** A comment for times of silence, so that nothing on the way takes the connection for dead. */
  readonly heartbeat: string;
}

const encoder = new TextEncoder();

/**
 * Results as server-sent events. The reader pulls: the next result is asked for when the last one was taken, and only
 * a reader that has taken everything gets a heartbeat, after `heartbeatMs` without a frame. A reader that leaves ends
 * the results.
 */
export function toEventStream(
  results: AsyncIterator<StreamedResult, unknown>,
  format: EventFormat,
  heartbeatMs: number,
): ReadableStream<Uint8Array> {
  let silence: NodeJS.Timeout | undefined;
  /** Who measures the last result, if it was taken at once. */
  let taken: StreamedResult[typeof resultDelivered];
  let readyAt = 0;

  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode(': connected\n\n')); // lets the headers through
    },
    async pull(controller) {
      taken?.(readyAt); // a reader who takes a chunk writes it before there is room for the next one
      taken = undefined;
      readyAt = performance.now();
      // The timer begins with the first pull: the stream of a client that left earlier is neither read nor cancelled.
      silence ??= setInterval(() => {
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(format.heartbeat));
      }, heartbeatMs).unref();
      let frames = '';
      let ended = false;
      let delivered: StreamedResult[typeof resultDelivered];
      while (!frames && !ended) {
        const step = await results.next();
        ended = step.done ?? false;
        frames = step.done ? format.end() : format.write(step.value);
        delivered = step.done ? undefined : step.value[resultDelivered];
      }
      silence.refresh();
      if (frames) controller.enqueue(encoder.encode(frames));
      if ((controller.desiredSize ?? 0) > 0) taken = delivered;
      if (!ended) return;
      clearInterval(silence);
      controller.close();
    },
    async cancel() {
      clearInterval(silence);
      await results.return?.();
    },
  });
}

/**
 * The distinct connections mode of the GraphQL over SSE protocol. Each event's `id:` is its cursor, which a browser
 * sends back as `Last-Event-ID`. After an end that passes there is no `complete` event: that would tell the client not to
 * come back.
 */
export function graphqlEvents(): EventFormat {
  let comesBack = false;
  return {
    write(result) {
      comesBack = result[passingEnd] === true;
      const cursor = result[resultCursor];
      return `event: next\n${cursor === undefined ? '' : `id: ${cursor}\n`}data: ${result.errors ? JSON.stringify(result) : jsonOf(result)}\n\n`;
    },
    end: () => (comesBack ? '' : 'event: complete\ndata:\n\n'),
    heartbeat: ':\n\n',
  };
}

/** A result that is no stream, as a stream of one. */
export async function* once(result: StreamedResult): AsyncGenerator<StreamedResult> {
  yield result;
}
