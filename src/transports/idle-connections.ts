import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How long a connection that has served requests may bring one more, once the server closes. */
const GRACE_MS = 500;

/**
 * Lets the connections of a closing server go without failing a request. A connection on which no request has ever
 * come, such as browsers open ahead, is cut at once. An answer that has not begun says that its connection closes, and Node
 * closes it then. Any other connection that has served requests may bring one more within a short time after its last answer:
 * its client cannot know yet that the server closes, and would see a reset. (Node's own `closeIdleConnections` leaves the
 * first kind and cuts others at once, and is put out of action.)
 * @returns what begins the end.
 */
export function trackIdleConnections(server: Server): () => void {
  server.closeIdleConnections = () => {};
  // Sockets on which no request has come, each with the number of bytes that had been read when it was opened.
  const unused = new Map<Socket, number>();
  const idle = new Set<Socket>();
  // How many requests each socket is serving: a client may send several at once. The map is weak, as a response may
  // close after its socket.
  const running = new WeakMap<Socket, number>();
  const answers = new Set<ServerResponse>();
  let ending = false;
  const cutIfIdle = (sockets: Iterable<Socket>) =>
    void setTimeout(() => {
      for (const socket of sockets) if (idle.has(socket)) socket.destroy();
    }, GRACE_MS);
  server.on('connection', (socket) => {
    if (running.has(socket)) return; // it begins anew, see `ignored-upgrade.ts`
    running.set(socket, 0);
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
    answers.add(response);
    response.once('close', () => {
      answers.delete(response);
      const left = (running.get(socket) ?? 1) - 1;
      running.set(socket, left);
      if (left > 0 || socket.destroyed) return;
      idle.add(socket);
      if (ending) cutIfIdle([socket]);
    });
  });
  server.on('upgrade', ({ socket }) => unused.delete(socket));
  return () => {
    ending = true;
    // A socket that has received bytes since it was opened is bringing a request, whose answer will end the connection.
    for (const [socket, bytesRead] of unused) if (socket.bytesRead === bytesRead) socket.destroy();
    for (const answer of answers) if (!answer.headersSent) answer.setHeader('connection', 'close');
    if (idle.size > 0) cutIfIdle([...idle]);
  };
}
