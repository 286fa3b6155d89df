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
    const { signal, release } = this.#credentials.watch(viewer);
    this.#count += 1;
    return startLife(client ? [client, signal, this.#shutdown] : [signal, this.#shutdown], () => {
      this.#count -= 1;
      release();
    });
  }
}

/**
 * A stream's life that ends, with the same reason, when the first of several signals aborts. (`AbortSignal.any` would
 * keep every stream reachable from a signal that lives as long as the server.) `onEnd` is called once, however it ends.
 */
export function startLife(signals: readonly AbortSignal[], onEnd: () => void = () => {}): StreamLife {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal); // all streams of a socket listen to the socket's life
  const listeners = signals.map((signal) => ({ signal, abort: () => end(signal.reason) }));
  for (const { signal, abort } of listeners) signal.addEventListener('abort', abort);
  for (const { signal, abort } of listeners) if (signal.aborted) abort();

  function end(reason?: unknown): void {
    if (controller.signal.aborted) return;
    for (const { signal, abort } of listeners) signal.removeEventListener('abort', abort);
    controller.abort(reason);
    onEnd();
  }

  return { signal: controller.signal, end: () => end() };
}
