import type { IncomingMessage, ServerResponse } from 'node:http';
export function createRestListener(_: unknown) {
  return (_request: IncomingMessage, response: ServerResponse) => void response.writeHead(404).end();
}
