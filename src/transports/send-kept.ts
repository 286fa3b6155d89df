import type { IncomingMessage, ServerResponse } from 'node:http';
import type { KeptAnswer } from '../operations/kept-answers.ts';
import { isKnown } from './entity-tag.ts';

/** Sends an answer with status 200, or with 304 and without its body to a client that has it already. */
export function sendKept(request: IncomingMessage, response: ServerResponse, { headers, body }: KeptAnswer): void {
  if (headers.etag && isKnown(request, headers.etag)) {
    const { 'content-type': _, ...rest } = headers;
    response.writeHead(304, rest).end();
    return;
  }
  response.writeHead(200, { ...headers, 'content-length': body.byteLength });
  response.end(body);
}
