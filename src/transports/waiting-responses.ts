import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Responses that wait for those before them on their connection, where requests came in a pipeline. */
const waiting = new WeakMap<Socket, Set<ServerResponse>>();

/**
 * Sees to it that a response which is still waiting ends with its connection. Node tells only the one that is being sent, so
 * that a stream behind it would be open for good, for a client that has left.
 */
export function endWithConnection({ socket }: IncomingMessage, response: ServerResponse): void {
  if (response.socket) return; // it is being sent
  const responses = waiting.get(socket) ?? follow(socket);
  responses.add(response);
  response.once('close', () => responses.delete(response));
}

function follow(socket: Socket): Set<ServerResponse> {
  const responses = new Set<ServerResponse>();
  waiting.set(socket, responses);
  socket.once('close', () => {
    for (const response of responses)
      if (!response.socket) {
        response.destroy();
        response.emit('close'); // as Node does for one that is being sent
      }
  });
  return responses;
}
