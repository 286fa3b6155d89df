import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connectTo } from '../../support/connection.ts';
import { openRawSocket, type RawSocket } from '../../support/raw-socket.ts';
import { type HttpInput, type Input, type RawInput, type SocketInput, toBuffer } from './input.ts';

/** What came of an input. */
export interface Answer {
  /** Of HTTP; of a WebSocket its close code, 0 while it was open. */
  readonly status: number;
  readonly type: string;
  /** Every byte that was sent to the client. */
  readonly text: string;
  readonly ms: number;
  /** The server said nothing in time, neither an answer nor an end. */
  readonly hung: boolean;
  /** Nobody listens: the server is gone. */
  readonly gone: boolean;
}

/** How long a client listens to a stream that has begun, in milliseconds. */
const LISTENS_MS = 30;
/** A timer of ours that is so late tells that this very process did not run, in milliseconds. */
const SLEPT_MS = 500;
/** A stream, or a page, of which so much has come is left. */
const ENOUGH = 4 * 1_048_576;

type Taken = Pick<Answer, 'status' | 'type' | 'text'>;

/** Sends an input, and takes what comes of it for at most `patienceMs`. */
export async function send(url: string, input: Input, patienceMs: number): Promise<Answer> {
  const begun = performance.now();
  const leaving = new AbortController();
  let patience: NodeJS.Timeout | undefined;
  const silence = new Promise<undefined>((resolve) => {
    const listen = () => {
      const asked = performance.now();
      // Who has slept itself has not waited for anybody, and begins to.
      patience = setTimeout(() => {
        if (performance.now() - asked > patienceMs + SLEPT_MS) listen();
        else resolve(undefined);
      }, patienceMs);
    };
    listen();
  });
  let gone = false;
  const work = sendBy(url, input, leaving.signal).catch((error: NodeJS.ErrnoException): Taken => {
    if (error.code?.startsWith('ERR_')) throw error; // of Node: it was not even sent
    gone = error.code === 'ECONNREFUSED';
    return { status: 0, type: '', text: '' }; // cut off: an answer like others, to what is no HTTP
  });
  const taken = await Promise.race([work, silence]);
  clearTimeout(patience);
  leaving.abort();
  const ms = performance.now() - begun;
  return { ...(taken ?? { status: 0, type: '', text: '' }), ms, hung: taken === undefined, gone };
}

function sendBy(url: string, input: Input, leaving: AbortSignal): Promise<Taken> {
  if (input.form === 'http') return sendHttp(url, input, leaving);
  return input.form === 'raw' ? sendRaw(url, input, leaving) : sendMessages(url, input, leaving);
}

async function sendHttp(url: string, { method, path, headers, body = '' }: HttpInput, leaving: AbortSignal) {
  const { hostname, port } = new URL(url);
  const bytes = toBuffer(body);
  const hasLength = bytes.length === 0 || 'content-length' in headers;
  const all = hasLength ? headers : { ...headers, 'content-length': String(bytes.length) };
  const sent = request({ hostname, port, path, method, headers: all, agent: false });
  sent.on('error', () => {}); // of a body that the server does not want; the answer is there all the same
  leaving.addEventListener('abort', () => sent.destroy());
  sent.on('upgrade', (_, socket) => socket.destroy());
  sent.end(bytes);
  const [response] = (await Promise.race([once(sent, 'response'), cutOff(sent)])) as [IncomingMessage];
  const type = response.headers['content-type'] ?? '';
  const isStream = type.startsWith('text/event-stream');
  const head = response.rawHeaders.join('\n');
  let text = '';
  const listened = isStream ? setTimeout(() => response.destroy(), LISTENS_MS) : undefined;
  try {
    for await (const chunk of response.setEncoding('utf8')) {
      text += chunk;
      if (text.length > ENOUGH) break;
    }
  } catch {} // cut, by one of us
  clearTimeout(listened);
  return { status: response.statusCode ?? 0, type, text: `${head}\n${text}` };
}

/** A connection that ends without an answer. */
async function cutOff(sent: ReturnType<typeof request>): Promise<never> {
  const [error] = await Promise.race([once(sent, 'close'), once(sent, 'upgrade')]).catch((failure) => [failure]);
  throw error instanceof Error ? error : new Error('closed without an answer');
}

async function sendRaw(url: string, { bytes }: RawInput, leaving: AbortSignal): Promise<Taken> {
  const socket = connectTo(url);
  leaving.addEventListener('abort', () => socket.destroy());
  await once(socket, 'connect');
  socket.end(toBuffer(bytes));
  let text = '';
  try {
    for await (const chunk of socket) text += chunk;
  } catch {} // reset, which is an answer
  const status = Math.max(0, ...[...text.matchAll(/^HTTP\/1.1 (\d+)/gm)].map(([, code]) => Number(code)));
  return { status, type: /^content-type: (.*)$/im.exec(text)?.[1] ?? '', text };
}

async function sendMessages(url: string, input: SocketInput, leaving: AbortSignal): Promise<Taken> {
  const { protocol = 'graphql-transport-ws', headers, messages } = input;
  let socket: RawSocket;
  try {
    socket = await openRawSocket(url, { protocol, headers });
  } catch (error) {
    const [, status] = /^HTTP (\d+)$/.exec(error instanceof Error ? error.message : '') ?? [];
    if (status === undefined) throw error;
    return { status: Number(status), type: '', text: '' };
  }
  leaving.addEventListener('abort', () => socket.cut());
  const answers: string[] = [socket.head];
  const end = socket.closed.then(({ code, reason }) => {
    answers.push(reason);
    return code;
  });
  for (const message of messages) socket.send(message);
  const status = await Promise.race([end, hearAll(socket, messages, answers)]);
  return { status, type: '', text: answers.join('\n') };
}

/** Takes an answer to each operation and each ping. A stream that has nothing to say is left. */
async function hearAll(socket: RawSocket, messages: readonly unknown[], answers: string[]): Promise<number> {
  const awaited = messages.filter(asksFor).length;
  socket.send({ type: 'ping', payload: { last: true } });
  let isLast = false;
  let heard = 0;
  const left = new Promise<void>((resolve) => {
    const look = () => (isLast ? resolve() : setTimeout(look, LISTENS_MS));
    setTimeout(look, LISTENS_MS + 2 * LISTENS_MS * awaited);
  });
  const hear = async () => {
    while (heard < awaited || !isLast) {
      const message = await socket.next();
      answers.push(JSON.stringify(message));
      if (message.type === 'next' || message.type === 'error') heard += 1;
      if (message.type === 'pong') isLast = true;
    }
  };
  const closed = hear().catch(() => 'closed' as const);
  if ((await Promise.race([closed, left])) === 'closed') return (await socket.closed).code;
  return 0;
}

const asksFor = (message: unknown) =>
  typeof message === 'object' && message !== null && 'type' in message && message.type === 'subscribe';
