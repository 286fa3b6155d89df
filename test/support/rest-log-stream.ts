import { openEventStream } from './event-stream.ts';
import type { ReadEvent } from './log-reader.ts';
import type { Headers } from './server.ts';
import { StreamCut, type TestStream } from './streams.ts';

/** What REST can ask for. */
export interface RestWish {
  readonly userId: string;
  readonly replay?: number;
  /** Said beside the parameters, as a browser's `EventSource` does. */
  readonly lastEventId?: string;
  readonly after?: string;
  readonly provider?: string;
  readonly runId?: string;
}

/**
 * A log over REST's `/sync/stream`, in the form of payloads of GraphQL: one for each frame that has an `id`. REST does not
 * tell where the head is; it is taken to be where the frame is.
 */
export async function openRestLogStream(
  url: string,
  { userId, replay, lastEventId, after, provider, runId }: RestWish,
  headers: Headers,
): Promise<TestStream> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ replay, after, provider, run_id: runId }))
    if (value !== undefined) query.set(name, String(value));
  const stream = await openEventStream(`${url}/api/v1/users/${userId}/sync/stream?${query}`, {
    ...headers,
    ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
  });
  if (stream.status !== 200) {
    stream.close();
    throw new StreamCut();
  }
  return {
    async next() {
      for (;;) {
        const frame = await stream.next();
        if (!frame) throw new StreamCut();
        const { id, event, data } = frame;
        if (event === 'sync.end') return { errors: [{ message: data.message, extensions: data }] };
        if (event === 'sync.reset') return { data: { syncEvents: { ...noEvents, reset: data } } };
        if (id === undefined) continue;
        const events: ReadEvent[] = [];
        if (event === 'sync.status') events.push({ ...data, ...renamed(data), sequence: Number(id), cursor: id });
        return { data: { syncEvents: { ...noEvents, events, cursor: id, headCursor: id } }, id };
      }
    },
    close: async () => stream.close(),
  };
}

const noEvents = { events: [], cursor: '0', headCursor: '0', caughtUp: true, reset: null };

function renamed(data: Readonly<Record<string, string>>) {
  return { id: data.event_id, userId: data.user_id, runId: data.run_id };
}
