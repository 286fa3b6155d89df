import { type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import type { Headers } from './server.ts';

/** What a request answered, with nothing changed on the way. */
export interface RestAnswer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The text as JSON; undefined where it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers of any shape, and fail where it is another
  readonly body: any;
}

export interface RestRequest {
  readonly method?: string;
  readonly headers?: Headers;
  /** Sent as it is if it is text or bytes, else as JSON. */
  readonly body?: unknown;
}

/** Sends a request byte for byte: no redirect is followed, and no header is added but those that HTTP needs. */
export function rest(url: string, { method = 'GET', headers = {}, body }: RestRequest = {}): Promise<RestAnswer> {
  const { origin } = new URL(url);
  const path = url.slice(origin.length);
  return new Promise((resolve, reject) => {
    const sent = request(origin, { path, method, headers }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString();
      resolve({ status: response.statusCode, headers: response.headers, text, body: parseJson(text) });
    });
    sent.once('error', reject);
    sent.end(body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
  });
}

/** The first answer to bytes that no HTTP client would send; `meanwhile` runs after the first half of them. */
export function exchange(
  url: string,
  [first, ...others]: readonly string[],
  meanwhile: () => Promise<void> | void = () => {},
): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, async () => {
      socket.write(first ?? '');
      await meanwhile();
      socket.write(others.join(''));
    });
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      socket.end();
    });
    socket.once('close', () => resolve(text)).once('error', reject);
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
