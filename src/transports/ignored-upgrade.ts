import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** What only the protocol that was offered reads, and must not come again: it would be one more offer. */
const OF_THE_OFFER = /^(?:upgrade|connection|http2-settings)$/i;

/** Does a request ask for a WebSocket? Others offer HTTP/2 (`h2c`), as Java's client does. */
export function asksForWebSocket({ headers: { upgrade } }: IncomingMessage): boolean {
  return upgrade?.toLowerCase() === 'websocket';
}

/**
 * Answers requests as if they had offered no other protocol, which a server is free to do (RFC 9110, 7.8). Newer releases of
 * Node ask first (`shouldUpgradeCallback`). Others give a connection out of their hands with such an offer, whatever is
 * offered, once the server listens for any: when what came before is answered, the request is put back in front of what the
 * connection has still to bring, and Node begins with the connection anew.
 */
export class IgnoredUpgrades {
  readonly #server: Server;
  readonly #newest = new WeakMap<Duplex, ServerResponse>();
  /** Connections that nobody looks after until an answer is sent. */
  readonly #waiting = new Set<Duplex>();

  constructor(server: Server) {
    this.#server = server;
    server.on('request', ({ socket }, response) => this.#newest.set(socket, response));
  }

  /** @param head what the connection brought behind the head of the request. */
  take(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const before = this.#newest.get(stream);
    if (!before || before.closed) {
      this.#beginAnew(request, stream, head);
      return;
    }
    const fail = () => stream.destroy();
    this.#waiting.add(stream);
    stream.on('error', fail).on('timeout', fail);
    before.once('close', () => {
      this.#waiting.delete(stream);
      stream.off('error', fail).off('timeout', fail);
      if (stream.writable) this.#beginAnew(request, stream, head);
      else stream.destroy(); // the answer before was the last one
    });
  }

  /** Ends what still waits. */
  cut(): void {
    for (const stream of this.#waiting) stream.destroy();
  }

  #beginAnew(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    stream.unshift(Buffer.concat([Buffer.from(withoutOffer(request), 'latin1'), head]));
    this.#server.emit('connection', stream);
  }
}

/** The head of a request as it came, but for what it offers. */
function withoutOffer({ method, url, httpVersion, rawHeaders, headers: { connection = '' } }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let index = 0; index < rawHeaders.length; index += 2)
    if (!OF_THE_OFFER.test(rawHeaders[index] ?? '')) lines.push(`${rawHeaders[index]}: ${rawHeaders[index + 1]}`);
  const kept = connection.split(',').filter((option) => !OF_THE_OFFER.test(option.trim()));
  if (kept.length > 0) lines.push(`Connection: ${kept.join(',')}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}
