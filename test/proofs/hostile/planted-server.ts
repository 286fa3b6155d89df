import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Inventory, Target } from './target.ts';

/** A server that breaks a promise on purpose, as a target: what it takes and has open is what it says. */
export async function startPlanted(
  listener: RequestListener,
  { take = () => nothing, isAlive = () => true }: Partial<{ take: () => Inventory; isAlive: () => boolean }> = {},
): Promise<Target> {
  const server = createServer(listener);
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
      server.closeAllConnections();
      server.close();
    },
  };
}

export const nothing: Inventory = { heapUsed: 0, rss: 0, sockets: 0, streams: 0, kept: 0 };
