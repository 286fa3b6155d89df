import { isLoopback } from '../lib/loopback.ts';

/**
 * The pages that may use this server: those of the origins in `CORS_ORIGINS`. What a door does with a foreign page
 * differs: HTTP serves it and lets the browser hide the answer, a WebSocket is refused, as browsers show those to anybody.
 */
export class Origins {
  readonly #allowed: ReadonlySet<string>;
  readonly #servesLocalPages: boolean;

  /** @param servesLocalPages whether pages of this machine, of any port, count as well */
  constructor(allowed: readonly string[], { servesLocalPages }: { readonly servesLocalPages: boolean }) {
    this.#allowed = new Set(allowed);
    this.#servesLocalPages = servesLocalPages;
  }

  /** May pages of this origin read answers? */
  allows(origin: string): boolean {
    return this.#allowed.has(origin) || (this.#servesLocalPages && isLocalPage(origin));
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
    return URL.canParse(origin) && new URL(origin).host === host;
  }
}

/** Is this the origin of a page that comes out of the machine on which it is shown? */
function isLocalPage(origin: string): boolean {
  if (!URL.canParse(origin)) return false;
  const { protocol, hostname } = new URL(origin);
  return /^https?:$/.test(protocol) && isLoopback(hostname);
}
