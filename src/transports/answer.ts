export interface Headers {
  readonly [name: string]: string;
}

const texts = new WeakMap<Response, string>();

/** An answer whose body is JSON already. */
export function json(status: number, text: string, headers: Headers = {}): Response {
  const answer = new Response(text, { status, headers: { ...headers, 'content-type': 'application/json' } });
  texts.set(answer, text);
  return answer;
}

/** The body of an answer that {@link json} made: a response would give it away only once. */
export function jsonOf(answer: Response): string | undefined {
  return texts.get(answer);
}

/** An answer in words alone. */
export function plain(status: number, text: string, headers: Headers = {}): Response {
  return new Response(text, { status, headers: { ...headers, 'content-type': 'text/plain; charset=utf-8' } });
}
