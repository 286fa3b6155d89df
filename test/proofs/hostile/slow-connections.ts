import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { closed, connectTo } from '../../support/connection.ts';

const crlf = '\r\n';
const head = ['POST /graphql HTTP/1.1', 'Host: x', 'Content-Type: application/json'].join(crlf);

/** Beginnings of requests whose rest never comes, or comes byte by byte. */
const beginnings: Readonly<Record<string, readonly [beginning: string, more: string]>> = {
  'that say nothing': ['', ''],
  'with slow headers': [`${head}${crlf}X-Slow: `, 'x'],
  'with headers that stop': [head, ''],
  'with slow bodies': [`${head}${crlf}Content-Length: 100000${crlf}${crlf}`, ' '],
  'with slow chunks': [`${head}${crlf}Transfer-Encoding: chunked${crlf}${crlf}`, `1${crlf} ${crlf}`],
  'with slow upgrades': [`GET /graphql HTTP/1.1${crlf}Host: x${crlf}Upgrade: websocket${crlf}`, 'X'],
};

const DRIBBLE_MS = 500;

/** Connections that are slow, held until they are let go. */
export interface SlowConnections {
  readonly opened: number;
  /** Those whose headers never end are cut by the server. @returns how many of them are still open after so long */
  leftAfter(patienceMs: number): Promise<number>;
  /** Leaves without a word. */
  cut(): void;
}

export async function openSlowConnections(url: string, ofEach: number): Promise<SlowConnections> {
  const sockets: { readonly socket: Socket; readonly mustEnd: boolean }[] = [];
  const dribbles: NodeJS.Timeout[] = [];
  for (const [what, [beginning, more]] of Object.entries(beginnings))
    for (let n = 0; n < ofEach; n += 1) {
      const socket = connectTo(url);
      socket.resume().write(beginning);
      if (more) dribbles.push(setInterval(() => socket.write(more), DRIBBLE_MS));
      sockets.push({ socket, mustEnd: !/bodies|chunks/.test(what) });
      await once(socket, 'connect');
    }
  return {
    opened: sockets.length,
    async leftAfter(patienceMs) {
      const ends = sockets.filter(({ mustEnd }) => mustEnd).map(({ socket }) => socket);
      const all = Promise.all(ends.map((socket) => closed(socket)));
      await Promise.race([all, wait(patienceMs, undefined, { ref: false })]);
      return ends.filter((socket) => !socket.closed).length;
    },
    cut() {
      for (const dribble of dribbles) clearInterval(dribble);
      for (const { socket } of sockets) socket.destroy();
    },
  };
}

/** Sends pieces as long as they are taken. @returns what was sent until the server cut the connection, in bytes */
export async function sendEndlessly(
  url: string,
  beginning: string,
  piece: Buffer,
  patienceMs: number,
): Promise<number | undefined> {
  const socket = connectTo(url);
  let isOver = false;
  const patience = setTimeout(() => socket.destroy(new Error('patience')), patienceMs);
  let isTaken = true;
  socket.once('close', () => {
    isOver = true;
  });
  socket.on('error', (error) => {
    isTaken &&= error.message !== 'patience';
  });
  socket.resume().write(beginning);
  const end = new Promise((resolve) => socket.once('close', resolve));
  while (!isOver)
    if (!socket.write(piece)) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), end]);
  clearTimeout(patience);
  return isTaken ? socket.bytesWritten : undefined;
}

export const endlessChunks = `${head}${crlf}Transfer-Encoding: chunked${crlf}${crlf}`;
export const chunk = Buffer.from(`4000${crlf}${' '.repeat(0x4000)}${crlf}`);

/** Requests that a proxy may have read in another way: of each, one answer at most may come, and an end. */
export const smuggled: readonly string[] = [
  ['Content-Length: 4', 'Transfer-Encoding: chunked'],
  ['Transfer-Encoding: chunked', 'Content-Length: 40'],
  ['Transfer-Encoding: chunked', 'Transfer-Encoding: x'],
  ['Transfer-Encoding:\u000bchunked', 'Content-Length: 0'],
  ['Content-Length: 0', 'Content-Length: 40'],
  ['Content-Length: 0, 40'],
].map((lengths) => {
  const hidden = `GET /healthz HTTP/1.1${crlf}Host: x${crlf}${crlf}`;
  return `${head}${crlf}${lengths.join(crlf)}${crlf}${crlf}0${crlf}${crlf}${hidden}`;
});
