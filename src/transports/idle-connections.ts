import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Knows the connections of a server on which no request runs or has begun to arrive, also those on which none has ever
 * come: browsers open such ones ahead, and Node's own `closeIdleConnections` leaves them open.
 * @returns what cuts them, now and, as soon as their request is answered, all others.
 */
export function trackIdleConnections(server: Server): () => void {
  /** With how many bytes had been read when the connection became idle. */
  const idle = new Map<Socket, number>();
  let cutting = false;
  server.on('connection', (socket) => {
    idle.set(socket, socket.bytesRead);
    socket.once('close', () => idle.delete(socket));
  });
  server.on('request', ({ socket }, response) => {
    idle.delete(socket);
    response.once('close', () => {
      if (cutting) socket.destroySoon();
      else if (!socket.destroyed) idle.set(socket, socket.bytesRead);
    });
  });
  server.on('upgrade', ({ socket }) => idle.delete(socket));
  return () => {
    cutting = true;
    for (const [socket, bytesRead] of idle) if (socket.bytesRead === bytesRead) socket.destroy();
  };
}
