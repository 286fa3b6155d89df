import { connect, createServer, type Socket } from 'node:net';
import type { Random } from '../../src/lib/random.ts';

/** A network that fails: passes TCP connections on to the server, and cuts most of them sooner or later. */
export interface Proxy {
  readonly url: string;
  /** Connections that it has cut in the middle. */
  readonly cuts: number;
  close(): Promise<void>;
}

/** How many bytes a connection carries from the server before it is cut: mostly few, now and then any number. */
function drawBytes(random: Random): number {
  return random() < 0.2 ? Number.POSITIVE_INFINITY : Math.floor(200 * 500 ** random());
}

export async function startProxy(target: string, random: Random): Promise<Proxy> {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  let cuts = 0;

  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    let left = drawBytes(random);
    const end = () => {
      for (const socket of [client, upstream]) {
        open.delete(socket);
        socket.destroy();
      }
    };
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.setNoDelay();
      socket.on('error', end);
      socket.on('close', end);
    }
    client.pipe(upstream);
    upstream.on('drain', () => client.resume());
    client.on('drain', () => upstream.resume());
    upstream.on('data', (chunk: Buffer) => {
      if (chunk.length < left) {
        left -= chunk.length;
        if (!client.write(chunk)) upstream.pause();
        return;
      }
      // The last piece is cut wherever it happens to be: within a frame, a line or a header.
      cuts += 1;
      client.write(chunk.subarray(0, left), end);
      left = 0;
      upstream.pause();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('A TCP server has an address');

  return {
    url: `http://127.0.0.1:${address.port}`,
    get cuts() {
      return cuts;
    },
    close() {
      for (const socket of open) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
