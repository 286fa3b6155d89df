import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Knows the connections of a server on which no request runs, also those on which none has ever come: browsers open
 * such ones ahead, and Node's own `closeIdleConnections` leaves them open.
 * @returns what cuts them, now and, as soon as their request is answered, all others.
 */
export function trackIdleConnections(server: Server): () => void {
  const idle = new Set<Socket>();
  let cutting = false;
  server.on('connection', (socket) => {
    idle.add(socket);
    socket.once('close', () => idle.delete(socket));
  });
  server.on('request', ({ socket }, response) => {
    idle.delete(socket);
    response.once('close', () => {
      if (cutting) socket.destroySoon();
      else if (!socket.destroyed) idle.add(socket);
    });
  });
  server.on('upgrade', ({ socket }) => idle.delete(socket));
  return () => {
    cutting = true;
    for (const socket of idle) socket.destroy();
  };
}
