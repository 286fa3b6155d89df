import type { Context, Hono } from 'hono';
import { json } from './answer.ts';

const allow = 'GET, HEAD, OPTIONS';

/** Answers GET at a path, with a slash at its end as well, and says of other methods which there are. (HEAD is GET here.) */
export function addGet(app: Hono, path: string, answer: (context: Context) => Response | Promise<Response>): void {
  for (const each of [path, `${path}/`]) {
    app.get(each, answer);
    app.options(each, () => new Response(null, { status: 204, headers: { allow } }));
    app.all(each, () => json(405, '{"detail":"Method Not Allowed"}', { allow }));
  }
}
