import { type IncomingMessage, ServerResponse } from 'node:http';

/**
 * What every answer says to browsers, unless it says otherwise: it is what its type says and nothing else, no page shows it
 * in a frame or runs anything in it, addresses, which may hold a token, are told to nobody, and nothing keeps it.
 */
export const protectiveHeaders: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': contentSecurityPolicy({}),
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
};

const protective = Object.entries(protectiveHeaders);

/** The policy of a page that may do nothing, but for what is given. */
export function contentSecurityPolicy(allowed: Readonly<Record<string, string>>): string {
  const directives = {
    'default-src': "'none'",
    ...allowed,
    'base-uri': "'none'",
    'form-action': "'none'",
    'frame-ancestors': "'none'",
  };
  return Object.entries(directives)
    .map((directive) => directive.join(' '))
    .join('; ');
}

/**
 * What every answer needs, whoever writes it:
 *
 * - {@link protectiveHeaders}.
 * - Yoga's adapter takes the time limit off a connection right before it writes the first piece of a stream, so that a
 *   client that stops reading would hold it for ever. That piece puts it back, to `idleMs` milliseconds.
 * - The answer to HEAD is the one to GET without its body, so that all else takes HEAD for GET. A stream would go on with
 *   nobody to see it: its first piece ends it.
 * - An answer of HTTP/1.0 is not chunked (RFC 9112, 6.1) and ends with its connection, whatever its headers say.
 */
export function serverResponseFor(idleMs: number): typeof ServerResponse {
  return class extends ServerResponse {
    readonly isOfHead: boolean;
    readonly #isOld: boolean;

    constructor(request: IncomingMessage) {
      super(request);
      for (const [name, value] of protective) this.setHeader(name, value);
      this.isOfHead = request.method === 'HEAD';
      this.#isOld = request.httpVersionMajor === 1 && request.httpVersionMinor === 0;
    }

    override writeHead(...args: unknown[]): this {
      const writeHead = super.writeHead as (...args: unknown[]) => this; // whichever of its forms was called
      if (!this.#isOld) return writeHead.apply(this, args);
      for (const [name, value] of Object.entries(this.getHeaders()))
        if (isUnknownToOld(name, value)) this.removeHeader(name);
      return writeHead.apply(this, args.map(withoutUnknown));
    }

    override write(...args: [chunk: unknown]): boolean {
      if (this.socket?.timeout === 0) this.socket.setTimeout(idleMs);
      const isTaken = super.write(...args);
      if (this.isOfHead) this.end();
      return isTaken;
    }
  } as typeof ServerResponse; // its methods pass on whatever the originals take
}

/** Is this the answer to HEAD? The request itself is taken for GET. */
export function isOfHead(response: ServerResponse): boolean {
  return 'isOfHead' in response && response.isOfHead === true;
}

function isUnknownToOld(name: string, value: unknown): boolean {
  const lower = name.toLowerCase();
  return lower === 'transfer-encoding' || (lower === 'connection' && value !== 'close');
}

/** Of what `writeHead` takes, the headers are an object; the other arguments stay as they are. */
function withoutUnknown(argument: unknown): unknown {
  if (typeof argument !== 'object' || argument === null) return argument;
  return Object.fromEntries(Object.entries(argument).filter(([name, value]) => !isUnknownToOld(name, value)));
}
