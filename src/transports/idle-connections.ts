import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** How long a connection that has served requests may bring one more, once the server closes. */
const GRACE_MS = 500;

/**
 * Lets the connections of a closing server go without failing a request. One on which none has ever come, such as
 * browsers open ahead, is cut at once. One that waits for its next request may bring it within a short time: its client
 * cannot know yet, and would see a reset. (Node's own `closeIdleConnections` does neither, and is put out of action.)
 * @returns what begins the end.
 */
export function trackIdleConnections(server: Server): () => void {
  server.closeIdleConnections = () => {};
  const unused = new Map<Socket, number>(); // with how many bytes had been read when they were opened
  const idle = new Set<Socket>();
  // Requests, of which a client may send several at once. Weakly: a response may close after its socket.
  const running = new WeakMap<Socket, number>();
  let ending = false;
  server.on('connection', (socket) => {
    unused.set(socket, socket.bytesRead);
    socket.once('close', () => {
      unused.delete(socket);
      idle.delete(socket);
    });
  });
  server.on('request', ({ socket }, response) => {
    unused.delete(socket);
    idle.delete(socket);
    running.set(socket, (running.get(socket) ?? 0) + 1);
    response.once('close', () => {
      const left = (running.get(socket) ?? 1) - 1;
      running.set(socket, left);
      if (left > 0) return;
      if (ending) socket.destroySoon();
      else if (!socket.destroyed) idle.add(socket);
    });
  });
  server.on('upgrade', ({ socket }) => unused.delete(socket));
  return () => {
    ending = true;
    // Where a request has begun to arrive, its answer will end the connection.
    for (const [socket, bytesRead] of unused) if (socket.bytesRead === bytesRead) socket.destroy();
    if (idle.size === 0) return;
    setTimeout(() => {
      for (const socket of idle) socket.destroy();
    }, GRACE_MS);
  };
}
