/** Says where an answer ends in a log: a stream or another list goes on after it. */
export const CURSOR_HEADER = 'synclog-cursor';

interface Headers {
  readonly [name: string]: string;
}

/** An answer whose body is JSON already. */
export function json(status: number, text: string, headers: Headers = {}): Response {
  return new Response(text, { status, headers: { ...headers, 'content-type': 'application/json' } });
}

/** An answer that says what is wrong, in the one shape that every such answer has. */
export function detail(status: number, text: string, headers: Headers = {}): Response {
  return json(status, JSON.stringify({ detail: text }), headers);
}

/** An answer in words alone. */
export function plain(status: number, text: string, headers: Headers = {}): Response {
  return new Response(text, { status, headers: { ...headers, 'content-type': 'text/plain; charset=utf-8' } });
}
