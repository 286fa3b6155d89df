import type { Socket } from 'node:net';
import { BASE_PATH, routes } from '../../src/transports/rest/routes.ts';
import { closed, connectTo } from './connection.ts';
import { openRawSocket } from './raw-socket.ts';

/** A header line as it is sent: the name with its value. A name may stand there twice. */
export type HeaderLine = readonly [name: string, value: string];

/** How a door answers, as far as a client can tell. */
export interface Outcome {
  /** Of HTTP; of a WebSocket the code with which it was closed, or 101 where it was not. */
  readonly status: number;
  /** The head of the answer without its date, and what stands for one request alone. */
  readonly head: string;
  readonly body: string;
}

/** A way in: what is asked there with a credential in header lines. */
export type Door = (url: string, credential: readonly HeaderLine[]) => Promise<Outcome>;

const user = '3fa85f64-5717-4562-b3fc-2c963f66afa6';
const list = `{ user(id: "${user}") { id firstName recentSyncEvents(limit: 1) { id } } }`;
const stream = `subscription { syncEvents(userId: "${user}", replayLast: 1) { cursor } }`;
const json = [['Content-Type', 'application/json']] as const;
const events = [['Accept', 'text/event-stream']] as const;
const event = { run_id: 'run_1', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };

/** Every door that takes a credential, asked for a user that is not there: who is let in is told so. */
export const doors: Readonly<Record<string, Door>> = {
  'GraphQL by POST': (url, lines) => ask(url, 'POST', '/graphql', [...json, ...lines], JSON.stringify({ query: list })),
  'GraphQL by POST in chunks': (url, lines) =>
    ask(url, 'POST', '/graphql', [...json, ...lines], [JSON.stringify({ query: list })]),
  'GraphQL by POST, a long one': (url, lines) =>
    ask(url, 'POST', '/graphql', [...json, ...lines], JSON.stringify({ query: list + ' '.repeat(300_000) })),
  'GraphQL by GET': (url, lines) => ask(url, 'GET', `/graphql?query=${encodeURIComponent(list)}`, lines),
  'GraphQL by server-sent events': (url, lines) =>
    ask(url, 'POST', '/graphql', [...json, ...events, ...lines], JSON.stringify({ query: stream })),
  'GraphQL by server-sent events, GET': (url, lines) =>
    ask(url, 'GET', `/graphql?query=${encodeURIComponent(stream)}`, [...events, ...lines]),
  'a WebSocket, in the headers of its upgrade': (url, lines) => openSocket(url, lines, []),
  'a WebSocket, in its connection_init': (url, lines) => openSocket(url, [], lines),
  ...Object.fromEntries(routes.map(({ method, path }) => [`REST, ${method} ${path}`, restDoor(method, path)])),
  'REST, a stream for EventSource': (url, lines) =>
    ask(url, 'GET', `${BASE_PATH}/users/${user}/sync/stream`, [...events, ...lines]),
};

function restDoor(method: string, path: string): Door {
  const target = BASE_PATH + path.replace(':user_id', user).replace(':run_key', 'run_1');
  const body = method === 'POST' ? JSON.stringify(event) : '';
  return (url, lines) => ask(url, method, target, [...json, ...lines], body);
}

/** Sends a request byte for byte and reads its answer to the end. A body that is a list goes in chunks. */
export async function ask(
  url: string,
  method: string,
  path: string,
  lines: readonly HeaderLine[],
  body: string | readonly string[] = '',
): Promise<Outcome> {
  const { host } = new URL(url);
  const isChunked = typeof body !== 'string';
  const head = [
    ['Host', host],
    ['Connection', 'close'],
    ...(isChunked ? [['Transfer-Encoding', 'chunked']] : [['Content-Length', String(Buffer.byteLength(body))]]),
    ...lines,
  ].map(([name, value]) => `${name}: ${value}\r\n`);
  const socket = connectTo(url);
  socket.write(`${method} ${path} HTTP/1.1\r\n${head.join('')}\r\n`, 'latin1');
  socket.write(
    isChunked ? `${body.map((each) => `${each.length.toString(16)}\r\n${each}\r\n`).join('')}0\r\n\r\n` : body,
  );
  try {
    return readOutcome(await readAnswer(socket));
  } finally {
    socket.destroy();
  }
}

/** All that comes until the answer or the connection ends. */
async function readAnswer(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    text += chunk;
    if (text.endsWith('\r\n0\r\n\r\n')) socket.destroy(); // a stream has ended, and its connection stays open
  });
  await closed(socket);
  return text;
}

function readOutcome(text: string): Outcome {
  const end = text.indexOf('\r\n\r\n');
  const lines = text.slice(0, end).split('\r\n').slice(1);
  const shown = lines.filter((line) => !/^(date|x-request-id):/i.test(line)).sort();
  return { status: Number(text.slice(9, 12)), head: shown.join('\n'), body: text.slice(end + 4) };
}

async function openSocket(
  url: string,
  upgrade: readonly HeaderLine[],
  payload: readonly HeaderLine[],
): Promise<Outcome> {
  // Header lines are written as they stand, so that one value may bring the next line.
  const [[name, value] = ['X-Nothing', ''], ...others] = upgrade;
  const headers = { [name]: [value, ...others.map((line) => line.join(': '))].join('\r\n') };
  const socket = await openRawSocket(url, { headers });
  // A name that stands there twice is written in another case, as JSON keeps only one of two keys that are alike.
  const fields = payload.map(([key, value], index) => [index === 0 ? key : key.toLowerCase(), value]);
  socket.send({ type: 'connection_init', payload: Object.fromEntries(fields) });
  const answer = await socket.next().then(
    (message) => JSON.stringify(message),
    () => undefined,
  );
  if (answer === undefined) {
    const { code, reason } = await socket.closed;
    return { status: code, head: '', body: reason };
  }
  socket.cut();
  return { status: 101, head: '', body: answer };
}
