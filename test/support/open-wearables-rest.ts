import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Emitter } from './open-wearables-emitter.ts';

const path = /^\/api\/v1\/users\/([^/]+)\/sync\/recent$/;

/** Serves `/sync/recent` as Open Wearables does, out of its Redis, and a list of users, to who has the key. */
export async function serveOpenWearables(
  emitter: Emitter,
  key: string,
): Promise<{ readonly url: string; close(): void }> {
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost');
    const [, userId] = path.exec(pathname) ?? [];
    const answer = (status: number, text: string) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(text);
    if (request.headers['x-open-wearables-api-key'] !== key) answer(401, '{"detail":"Invalid or missing API key"}');
    else if (pathname === '/api/v1/users') answer(200, '{"items":[],"total":0}');
    else if (userId === undefined) answer(404, '{"detail":"Not Found"}');
    else {
      const newest = (await emitter.stored(userId)).reverse().slice(0, Number(searchParams.get('limit') ?? 50));
      answer(200, `[${newest.join(',')}]`);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // it listens on a TCP port
  return {
    url: `http://127.0.0.1:${port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
