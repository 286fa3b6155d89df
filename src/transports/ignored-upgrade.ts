import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** What only the protocol that was offered reads, and must not come again: it would be one more offer. */
const OF_THE_OFFER = /^(?:upgrade|connection|http2-settings)$/i;

/** Does a request ask for a WebSocket? Others offer HTTP/2 (`h2c`), as Java's client does with every connection. */
export function asksForWebSocket({ headers: { upgrade } }: IncomingMessage): boolean {
  return upgrade?.toLowerCase() === 'websocket';
}

/**
 * Answers requests as if they had offered no other protocol, which a server is free to do (RFC 9110, 7.8). Node gives a
 * connection out of its hands with such an offer, whatever is offered, once its server listens for any. When what came
 * before is answered, the request is put back in front of what the connection has still to bring, and Node begins with the
 * connection anew.
 * @returns what takes a request that Node has given up, and what its connection brought behind the request's head.
 */
export function ignoreUpgradesOf(server: Server): (request: IncomingMessage, stream: Duplex, head: Buffer) => void {
  const newest = new WeakMap<Duplex, ServerResponse>();
  server.on('request', ({ socket }, response) => newest.set(socket, response));
  return (request, stream, head) => {
    const fail = () => stream.destroy();
    const beginAnew = () => {
      if (stream.destroyed) return;
      stream.off('error', fail);
      stream.unshift(Buffer.concat([Buffer.from(withoutOffer(request), 'latin1'), head]));
      server.emit('connection', stream);
    };
    stream.on('error', fail);
    const before = newest.get(stream);
    if (!before || before.closed) beginAnew();
    else before.once('close', beginAnew);
  };
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
