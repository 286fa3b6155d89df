import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import type { Headers } from './server.ts';

/** What a frame of the text/event-stream format says. */
interface Frame {
  /** As it came, without the blank line that ends it. */
  readonly text: string;
  readonly comment: string | undefined;
  readonly event: string | undefined;
  readonly id: string | undefined;
  readonly retry: string | undefined;
  /** Its data as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read data of any shape, and fail where it is another
  readonly data: any;
}

/** A stream of server-sent events as a test reads it: frame by frame, and nothing that it does not ask for. */
export interface EventStream {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  /** The next frame, comments too; undefined when the server has ended the stream. */
  next(): Promise<Frame | undefined>;
  /** The next frame with an event. */
  event(): Promise<Frame>;
  /** That many events' data. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  take(count: number): Promise<any[]>;
  close(): void;
}

export async function openEventStream(url: string, headers: Headers = {}): Promise<EventStream> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent = request(url, { headers, agent: false }, resolve);
    sent.once('error', reject);
    sent.end();
  });
  const frames = readFrames(response);
  const next = async () => (await frames.next()).value ?? undefined;
  async function event(): Promise<Frame> {
    for (;;) {
      const frame = await next();
      if (!frame) throw new Error('The stream has ended');
      if (frame.event !== undefined) return frame;
    }
  }
  return {
    status: response.statusCode,
    headers: response.headers,
    next,
    event,
    async take(count) {
      const data: unknown[] = [];
      while (data.length < count) data.push((await event()).data);
      return data;
    },
    close: () => response.destroy(),
  };
}

async function* readFrames(response: IncomingMessage): AsyncGenerator<Frame, void> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    text += chunk;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      yield toFrame(text.slice(0, end));
      text = text.slice(end + 2);
    }
  }
  if (text) throw new Error(`The stream has ended within a frame: ${text}`);
}

function toFrame(text: string): Frame {
  const fields = text.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]);
  const partOf = (name: string) => fields.find(([field]) => field === name)?.[1]?.trimStart();
  const data = partOf('data');
  return {
    text,
    comment: partOf(''),
    event: partOf('event'),
    id: partOf('id'),
    retry: partOf('retry'),
    data: data === undefined ? undefined : JSON.parse(data),
  };
}
