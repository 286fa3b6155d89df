import { createServer } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import { listenOn } from './listening.ts';
import { textOf } from './request-text.ts';

/**
 * The limit of fan-out: sockets by the path that they were opened with, and one string for all of a path.
 * `POST /PATH` sends its body.
 */
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
const rooms = new Map<string, Set<WebSocket>>();

const server = createServer(async (request, response) => {
  const text = await textOf(request);
  for (const socket of rooms.get(request.url ?? '') ?? []) socket.send(text);
  response.writeHead(200, { 'content-length': 0 }).end();
});
server.on('upgrade', (request, stream, head) =>
  sockets.handleUpgrade(request, stream, head, (socket) => {
    const path = request.url ?? '';
    const room = rooms.get(path) ?? new Set();
    rooms.set(path, room.add(socket));
    socket.once('close', () => room.delete(socket));
  }),
);
listenOn(server);
