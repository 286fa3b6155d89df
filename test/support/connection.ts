import { connect, type Socket } from 'node:net';

/**
 * A connection to a server that bytes are written to as they stand. An error, which whoever waits for it hears of as
 * always, is none of the process that tests: a server that cuts off a client which is still sending resets the
 * connection as often as it ends it in order, and does so when it likes.
 */
export function connectTo(url: string): Socket {
  const { hostname, port } = new URL(url);
  return connect(Number(port), hostname.replace(/[[\]]/g, '')).on('error', () => {});
}

/** Resolves when a connection is closed, whichever way; `once(socket, 'close')` would reject with a reset. */
export function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
}
