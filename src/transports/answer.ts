export interface Headers {
  readonly [name: string]: string;
}

/** An answer whose body is JSON already. */
export function json(status: number, text: string, headers: Headers = {}): Response {
  return new Response(text, { status, headers: { ...headers, 'content-type': 'application/json' } });
}

/** An answer in words alone. */
export function plain(status: number, text: string, headers: Headers = {}): Response {
  return new Response(text, { status, headers: { ...headers, 'content-type': 'text/plain; charset=utf-8' } });
}
