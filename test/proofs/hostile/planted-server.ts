import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Inventory, Target } from './target.ts';

/** A server that breaks a promise on purpose, as a target: what it takes and has open is what it says. */
export async function startPlanted(
  listener: RequestListener,
  { take = () => nothing, isAlive = () => true }: Partial<{ take: () => Inventory; isAlive: () => boolean }> = {},
): Promise<Target> {
  const server = createServer(listener);
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('message', (data) => answer(socket, String(data))));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // it listens on a TCP port
  return {
    url: `http://127.0.0.1:${port}`,
    credentials: [
      ['nobody', {}],
      ['admin', { 'x-api-key': 'key' }],
    ],
    admin: { 'x-api-key': 'key' },
    userIds: ['0b6e2a54-7d0c-4f5e-9a51-3c1f6f2ad001'],
    runIds: ['run 0'],
    secrets: [{ name: 'the planted secret', text: 'planted-secret' }],
    pid: process.pid,
    isAlive,
    output: [],
    take: async () => take(),
    takeAtRest: async () => take(),
    async remove() {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      server.close();
    },
  };
}

export const nothing: Inventory = { heapUsed: 0, rss: 0, sockets: 0, streams: 0, kept: 0 };

/** Takes everybody, and ends whatever it does not know as if all were well. */
function answer(socket: WebSocket, text: string): void {
  if (text.includes('connection_init')) socket.send('{"type":"connection_ack"}');
  else if (text.includes('"subscribe"')) socket.send('{"type":"next","id":"stream","payload":{}}');
  else socket.close(1000);
}
