import { connect, createServer, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import type { Random } from '../../src/lib/random.ts';

const CHUNK = 16_384;

/** A network under control: passes TCP connections on, until it is told to swallow everything or to cut. */
export interface FaultyProxy {
  readonly url: string;
  readonly port: number;
  /** Connections to the target that are open. */
  readonly open: number;
  /** Connections that it has cut by itself, in the middle. */
  readonly cuts: number;
  /**
   * Swallows whatever is sent on the connections that are open now, or only on so many of the oldest: nothing arrives, and
   * nobody is told.
   */
  blackHole(most?: number): number;
  /** From now on passes what the target answers on in so many bytes a second; without a number, as it comes. */
  throttle(bytesPerSecond?: number): void;
  /** Resets the connections that are open now. */
  cut(): number;
  close(): Promise<void>;
}

/** Lets connections carry mostly few bytes, now and then any number. */
export function fewBytes(random: Random): () => number {
  return () => (random() < 0.2 ? Number.POSITIVE_INFINITY : Math.floor(200 * 500 ** random()));
}

/**
 * `target` is a URL with a port, `url` the same with the proxy's.
 * @param bytesBeforeCut asked for each connection: how much of the target's answers it carries before it is cut.
 */
export async function startFaultyProxy(
  target: string,
  bytesBeforeCut = () => Number.POSITIVE_INFINITY,
): Promise<FaultyProxy> {
  const { hostname, port } = new URL(target);
  let bytesPerSecond: number | undefined;
  let cuts = 0;
  const pairs = new Set<{ client: Socket; upstream: Socket; answers: Transform }>();
  const server = createServer({ pauseOnConnect: false }, (client) => {
    const upstream = connect(Number(port), hostname);
    let left = bytesBeforeCut();
    const answers = new Transform({
      async transform(bytes: Buffer, _, done) {
        for (let start = 0; start < bytes.length; start += CHUNK) {
          const chunk = bytes.subarray(start, start + CHUNK);
          if (chunk.length >= left) {
            // The last piece is cut wherever it happens to be: within a frame, a line or a header.
            cuts += 1;
            this.push(chunk.subarray(0, left));
            this.push(null); // ends the client's socket once it is written; `done` is not called, so nothing follows
            return;
          }
          left -= chunk.length;
          this.push(chunk);
          if (bytesPerSecond) await wait((1_000 * Math.min(CHUNK, bytes.length)) / bytesPerSecond);
        }
        done();
      },
    });
    const pair = { client, upstream, answers };
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.setNoDelay().on('error', end).on('close', end);
    client.on('finish', end);
    client.pipe(upstream);
    upstream.pipe(answers).pipe(client);
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
    get cuts() {
      return cuts;
    },
    blackHole(most = pairs.size) {
      for (const { client, upstream, answers } of [...pairs].slice(0, most)) {
        client.unpipe(upstream);
        upstream.unpipe(answers);
        // Reads on, so that neither end feels any pressure, and throws away what it reads.
        client.resume();
        upstream.resume();
      }
      return Math.min(most, pairs.size);
    },
    throttle(rate) {
      bytesPerSecond = rate;
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
