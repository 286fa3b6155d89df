import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connectTo } from './connection.ts';

/** What the server answered to bytes that no HTTP client of good manners would send. */
export interface RawAnswer {
  readonly status: number;
  /** Of the body's `errors`. */
  readonly codes: unknown[];
  readonly body: string;
}

/** An HTTP request with exactly these headers. A body that is a list goes in chunks, without a length. */
export async function send(
  url: string,
  options: {
    readonly method?: string;
    readonly path?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string | readonly string[];
  },
): Promise<RawAnswer> {
  const { method = 'POST', path = '/graphql', headers = {}, body = '' } = options;
  const request = httpRequest(`${url}${path}`, { method, headers, agent: false });
  if (typeof body === 'string') {
    if (body !== '') request.setHeader('content-length', Buffer.byteLength(body));
    request.end(body);
  } else {
    request.setHeader('transfer-encoding', 'chunked');
    for (const chunk of body) request.write(chunk);
    request.end();
  }
  request.on('error', () => {}); // of a body that the server does not want; the answer is there all the same
  const [response] = await once(request, 'response');
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode, codes: codesIn(text), body: text };
}

/** The answer to bytes on a connection of their own, until the server closes it or `enough` has come. */
export async function sendBytes(url: string, bytes: string, enough = '\r\n\r\n'): Promise<string> {
  const socket = connectTo(url);
  let text = '';
  socket.write(bytes);
  for await (const chunk of socket) {
    text += chunk;
    if (text.includes(enough)) break;
  }
  socket.destroy();
  return text;
}

function codesIn(body: string): unknown[] {
  try {
    return JSON.parse(body).errors.map((error: { extensions: { code: unknown } }) => error.extensions.code);
  } catch {
    return [];
  }
}
