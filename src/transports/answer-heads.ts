import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';

/** The headers of a good answer, without its length. */
interface AnswerHead {
  /** Tells apart all requests whose answers have different headers. */
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** How many are remembered. There are as many as there are kinds of clients and origins of pages. */
const MOST_HEADS = 1_000;
const LONGEST_KEY = 500;

/**
 * The headers that Yoga gives to good answers, learned from Yoga itself: which they are depends on the media types that a
 * client accepts and on the page that it comes from, and on nothing else.
 */
export class AnswerHeads {
  readonly #heads = new Map<string, AnswerHead>();

  of(request: IncomingMessage): AnswerHead | undefined {
    return this.#heads.get(keyOf(request));
  }

  /** Remembers the headers of an answer that Yoga is about to give, if it is JSON with status 200. */
  learn(request: IncomingMessage, response: ServerResponse): void {
    const key = keyOf(request);
    if (key.length > LONGEST_KEY) return;
    const own = response.getHeaderNames();
    const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse;
    response.writeHead = (status: number, ...rest: unknown[]) => {
      const given = { ...response.getHeaders(), ...(rest.at(-1) as OutgoingHttpHeaders | undefined) };
      const headers = inLowerCase(given);
      for (const name of ['content-length', ...own]) delete headers[name];
      const isJson = /^application\/(graphql-response\+)?json\b/.test(headers['content-type'] ?? '');
      if (status === 200 && isJson) this.#add({ key, headers });
      return writeHead(status, ...rest);
    };
  }

  #add(head: AnswerHead): void {
    this.#heads.set(head.key, head);
    const [oldest] = this.#heads.keys();
    if (this.#heads.size > MOST_HEADS && oldest !== undefined) this.#heads.delete(oldest);
  }
}

function inLowerCase(headers: OutgoingHttpHeaders): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]));
}

function keyOf({ headers: { accept = '', origin = '' } }: IncomingMessage): string {
  return `${origin}\n${accept}`;
}
