import { isLoopback } from '../lib/loopback.ts';

/**
 * The pages that may use this server: those of the origins in `CORS_ORIGINS`. What a door does with a foreign page
 * differs: HTTP serves it and lets the browser hide the answer, a WebSocket is refused, as browsers show those to anybody.
 * Origins and hosts are compared as what they name, however they are written.
 */
export class Origins {
  readonly #allowed: ReadonlySet<string | undefined>;
  readonly #servesLocalPages: boolean;

  /** @param servesLocalPages whether pages of this machine, of any port, count as well */
  constructor(allowed: readonly string[], { servesLocalPages }: { readonly servesLocalPages: boolean }) {
    this.#allowed = new Set(allowed.map(canonicalOrigin));
    this.#servesLocalPages = servesLocalPages;
  }

  /** May pages of this origin read answers? */
  allows(origin: string): boolean {
    const canonical = canonicalOrigin(origin);
    if (canonical === undefined) return false;
    return this.#allowed.has(canonical) || (this.#servesLocalPages && isLoopback(hostnameOf(canonical)));
  }

  /** May who sends these headers open a socket: no page at all, a page of a known origin, or one of this server's own? */
  allowsSocket({
    origin,
    host,
  }: {
    readonly origin?: string | undefined;
    readonly host?: string | undefined;
  }): boolean {
    if (origin === undefined || this.allows(origin)) return true;
    const canonical = canonicalOrigin(origin);
    if (canonical === undefined || host === undefined) return false;
    return canonicalHost(canonical) === canonicalHost(`http://${host}`);
  }
}

/**
 * Does a page of another site load this as a part of itself: an image, a script? A browser sends what it knows of us, and
 * then shows whether there was an answer, and how soon. Such a page calls with `fetch` or `EventSource`, which say whence.
 */
export function isEmbedding(header: (name: string) => string | undefined): boolean {
  return header('sec-fetch-mode') === 'no-cors' && /^(cross|same)-site$/.test(header('sec-fetch-site') ?? '');
}

/** Scheme, host and port in one spelling: lower case, no default port, no dot at the end. Undefined for what is no origin. */
function canonicalOrigin(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, port } = new URL(text);
  if (!/^https?:$/.test(protocol)) return undefined;
  const suffix = port === '' ? '' : `:${port}`;
  return `${protocol}//${hostnameOf(text)}${suffix}`;
}

/**
 * The host of a URL, with its port unless that is a default one. Both defaults count alike: behind a proxy that ends TLS,
 * a page of `https://` reaches a server that may be told port 443, port 80 or none.
 */
function canonicalHost(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { port } = new URL(url);
  return ['', '80', '443'].includes(port) ? hostnameOf(url) : `${hostnameOf(url)}:${port}`;
}

function hostnameOf(url: string): string {
  return new URL(url).hostname.replace(/\.$/, '');
}
