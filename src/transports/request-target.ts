import type { IncomingMessage } from 'node:http';

/** The GraphQL endpoint. */
export const GRAPHQL_PATH = '/graphql';

/** `http://host:port` at the beginning of a target in absolute form. */
const absoluteForm = /^https?:\/\/([^/?#]*)/i;

/**
 * Gives a request the one form that everything behind it reads: a path with a query. A target in absolute form, which is
 * what a proxy is sent, must be taken by every server; its host counts, and not the header's (RFC 9112, 3.2.2). The GraphQL
 * endpoint is the same with a slash at its end. HEAD is taken for GET: of its answer only the head is sent, see
 * `server-response.ts`.
 */
export function normaliseTarget(request: IncomingMessage): void {
  const [start, host] = absoluteForm.exec(request.url ?? '') ?? [];
  if (start !== undefined) {
    const rest = (request.url ?? '').slice(start.length);
    request.url = rest.startsWith('/') ? rest : `/${rest}`;
    request.headers.host = host?.slice(host.lastIndexOf('@') + 1);
  }
  if (pathOf(request) === `${GRAPHQL_PATH}/`)
    request.url = GRAPHQL_PATH + (request.url ?? '').slice(GRAPHQL_PATH.length + 1);
  if (request.method === 'HEAD') request.method = 'GET';
}

/** Are there several hosts? Node shows the first, and a proxy may have gone by another (RFC 9112, 3.2). */
export function hasSeveralHosts({ rawHeaders }: IncomingMessage): boolean {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    if (name.length === 4 && name.toLowerCase() === 'host') count += 1;
  }
  return count > 1;
}

/** The path of a request, without its query. */
export function pathOf({ url = '/' }: IncomingMessage): string {
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
}
