import { setMaxListeners } from 'node:events';
import type { CredentialWatch } from '../auth/credential-watch.ts';
import type { Viewer } from '../auth/viewer.ts';
import type { StreamLife } from '../graphql/context.ts';

/**
 * Every stream that is open, on any door. A stream lives until the first of these: its client leaves, its credential
 * ends, the server stops. A cap on streams for each viewer belongs here.
 */
export class OpenStreams {
  readonly #credentials: CredentialWatch;
  readonly #shutdown: AbortSignal;
  #count = 0;

  /** @param shutdown aborts when the server stops, with the reason that streams end with. */
  constructor(credentials: CredentialWatch, shutdown: AbortSignal) {
    this.#credentials = credentials;
    this.#shutdown = shutdown;
    setMaxListeners(0, shutdown); // every stream listens to it
  }

  /** How many are open. */
  get count(): number {
    return this.#count;
  }

  /** Begins the life of a stream of this viewer. @param client aborts when the client leaves, unless somebody ends the life then */
  open(viewer: Viewer, client?: AbortSignal): StreamLife {
    const credential = this.#credentials.watch(viewer);
    const signals = [credential.signal, this.#shutdown];
    this.#count += 1;
    return startLife(client ? [client, ...signals] : signals, () => {
      this.#count -= 1;
      credential.release();
    });
  }
}

/**
 * A stream's life that ends, with the same reason, when the first of several signals aborts. (`AbortSignal.any` would
 * keep every stream reachable from a signal that lives as long as the server.) `onEnd` is called once, however it ends.
 */
export function startLife(signals: readonly AbortSignal[], onEnd?: () => void): StreamLife {
  return new Life(signals, onEnd);
}

class Life implements StreamLife {
  readonly #controller = new AbortController();
  readonly #signals: readonly AbortSignal[];
  readonly #onEnd: (() => void) | undefined;

  constructor(signals: readonly AbortSignal[], onEnd?: () => void) {
    this.#signals = signals;
    this.#onEnd = onEnd;
    setMaxListeners(0, this.signal); // all streams of a socket listen to the socket's life
    for (const signal of signals) signal.addEventListener('abort', this);
    const aborted = signals.find((signal) => signal.aborted);
    if (aborted) this.#end(aborted.reason);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  end(): void {
    this.#end();
  }

  /** One of the signals has aborted. */
  handleEvent(): void {
    this.#end(this.#signals.find((signal) => signal.aborted)?.reason);
  }

  #end(reason?: unknown): void {
    if (this.signal.aborted) return;
    for (const signal of this.#signals) signal.removeEventListener('abort', this);
    this.#controller.abort(reason);
    this.#onEnd?.();
  }
}
