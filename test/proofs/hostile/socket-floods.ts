import { once } from 'node:events';
import { connectTo } from '../../support/connection.ts';
import { frameOf, initMessage, opcodes, openRawSocket, type RawSocket } from '../../support/raw-socket.ts';
import { inLanes } from './lanes.ts';
import type { Headers, Target } from './target.ts';
import { within } from './within.ts';

/** @returns how so many fragments of one byte end the socket */
export async function sendFragments(url: string, count: number, patienceMs: number): Promise<string> {
  const socket = await openRawSocket(url);
  const fragment = frameOf(opcodes.continuation, 'x', { isLast: false });
  socket.write(Buffer.concat([frameOf(opcodes.text, 'x', { isLast: false }), ...Array<Buffer>(count).fill(fragment)]));
  const ended = within(patienceMs, socket.closed).then(({ code }) => String(code));
  return ended.catch((error: Error) => error.message).finally(() => socket.cut());
}

/** Opens sockets all at once, shows the credentials in turn, and leaves. @returns how many were taken at most */
export async function openSockets({ url }: Target, count: number, credentials: readonly Headers[]): Promise<number> {
  const open: RawSocket[] = [];
  const turns = Array.from({ length: count }, (_, index) => index);
  await inLanes(turns, 50, async (index) => {
    const socket = await openRawSocket(url).catch(() => undefined);
    if (!socket) return;
    socket.send(initMessage(credentials[index % credentials.length]));
    const answer = await socket.next().catch(() => undefined);
    if (answer?.type === 'connection_ack') open.push(socket);
    else socket.cut();
  });
  for (const socket of open) socket.cut();
  return open.length;
}

/**
 * Sends frames of one kind as long as they are taken, and reads none of the answers.
 * @returns what was sent, in bytes, and whether the server has cut the socket
 */
export async function floodSocket(
  { url, admin }: Target,
  frame: Buffer,
  most: number,
): Promise<{ bytes: number; isCut: boolean }> {
  const socket = connectTo(url);
  const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
  const protocol = 'Sec-WebSocket-Protocol: graphql-transport-ws\r\n';
  socket.write(
    `GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${key}${protocol}\r\n`,
  );
  await once(socket, 'readable');
  socket.write(frameOf(opcodes.text, JSON.stringify(initMessage(admin))));
  const frames = Buffer.concat(Array<Buffer>(1_000).fill(frame));
  let isCut = false;
  const end = new Promise((resolve) => socket.once('close', resolve));
  void end.then(() => {
    isCut = true;
  });
  while (!isCut && socket.bytesWritten < most)
    if (!socket.write(frames)) {
      const quiet = new Promise((resolve) => setTimeout(resolve, 2_000, 'quiet'));
      const drain = new Promise((resolve) => socket.once('drain', resolve));
      const next = await Promise.race([drain, end, quiet]);
      if (next === 'quiet') break; // the server takes no more, which is as good
    }
  const bytes = socket.bytesWritten;
  const wasCut = isCut;
  socket.destroy();
  return { bytes, isCut: wasCut };
}

export const pingFrame = frameOf(opcodes.ping, 'x'.repeat(125));
export const emptyPing = frameOf(opcodes.ping, '');
