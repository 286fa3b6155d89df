import { setMaxListeners } from 'node:events';
import type { StreamLife } from '../graphql/context.ts';

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
