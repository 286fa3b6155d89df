/**
 * The pages that may use this server: those of the origins in `CORS_ORIGINS`. What a door does with a foreign page
 * differs: HTTP serves it and lets the browser hide the answer, a WebSocket is refused, as browsers show those to anybody.
 */
export class Origins {
  readonly #allowed: ReadonlySet<string>;

  constructor(allowed: readonly string[]) {
    this.#allowed = new Set(allowed);
  }

  /** May pages of this origin read answers? */
  allows(origin: string): boolean {
    return this.#allowed.has(origin);
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
