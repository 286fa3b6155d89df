import type { Socket } from 'node:net';

/**
 * Resolves when the connection is closed, whichever way. A peer that cuts off a client which is still sending resets the
 * connection as often as it ends it in order, which is the kernel's choice and the same end; `once(socket, 'close')` would
 * reject with the reset.
 */
export function closed(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
}
