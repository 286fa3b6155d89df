export interface Headers {
  readonly [name: string]: string;
}

/** Stands on the answer itself: what a `WeakMap` holds outlives the small collections of garbage. */
const jsonText = Symbol('the JSON of an answer');

type JsonAnswer = Response & { [jsonText]?: string };

/** An answer whose body is JSON already. */
export function json(status: number, text: string, headers: Headers = {}): Response {
  const answer: JsonAnswer = new Response(text, {
    status,
    headers: { ...headers, 'content-type': 'application/json' },
  });
  answer[jsonText] = text;
  return answer;
}

/** The body of an answer that {@link json} made: a response would give it away only once. */
export function jsonOf(answer: JsonAnswer): string | undefined {
  return answer[jsonText];
}

/** An answer in words alone. */
export function plain(status: number, text: string, headers: Headers = {}): Response {
  return new Response(text, { status, headers: { ...headers, 'content-type': 'text/plain; charset=utf-8' } });
}
