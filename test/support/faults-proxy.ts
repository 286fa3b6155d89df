import { connect, createServer, type Socket } from 'node:net';

/** A network under control: passes TCP connections on, until it is told to swallow everything or to cut. */
export interface FaultyProxy {
  readonly url: string;
  readonly port: number;
  /** Connections to the target that are open. */
  readonly open: number;
  /** Swallows whatever is sent on the connections that are open now: nothing arrives, and nobody is told. */
  blackHole(): number;
  /** Resets the connections that are open now. */
  cut(): number;
  close(): Promise<void>;
}

/** `target` is a URL with a port, `url` the same with the proxy's. */
export async function startFaultyProxy(target: string): Promise<FaultyProxy> {
  const { hostname, port } = new URL(target);
  const pairs = new Set<{ client: Socket; upstream: Socket }>();
  const server = createServer({ pauseOnConnect: false }, (client) => {
    const upstream = connect(Number(port), hostname);
    const pair = { client, upstream };
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.setNoDelay().on('error', end).on('close', end);
    client.pipe(upstream);
    upstream.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('A TCP server has an address');
  const url = new URL(target);
  url.port = String(address.port);

  return {
    url: url.href.replace(/\/$/, ''),
    port: address.port,
    get open() {
      return pairs.size;
    },
    blackHole() {
      for (const { client, upstream } of pairs) {
        client.unpipe(upstream);
        upstream.unpipe(client);
        // Reads on, so that neither end feels any pressure, and throws away what it reads.
        client.resume();
        upstream.resume();
      }
      return pairs.size;
    },
    cut() {
      const cut = [...pairs];
      for (const { client, upstream } of cut) {
        client.resetAndDestroy();
        upstream.resetAndDestroy();
      }
      return cut.length;
    },
    close() {
      for (const { client, upstream } of [...pairs]) {
        client.destroy();
        upstream.destroy();
      }
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
