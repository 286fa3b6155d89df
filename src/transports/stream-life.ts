import type { StreamLife } from '../graphql/context.ts';

/**
 * A stream's life that ends, with the same reason, when the first of several signals aborts. (`AbortSignal.any` would
 * keep every stream reachable from a signal that lives as long as the server.)
 */
export function startLife(signals: readonly AbortSignal[], onEnd: () => void = () => {}): StreamLife {
  const controller = new AbortController();
  const listeners = signals.map((signal) => ({ signal, abort: () => controller.abort(signal.reason) }));
  for (const { signal, abort } of listeners) signal.addEventListener('abort', abort);
  for (const { signal, abort } of listeners) if (signal.aborted) abort();
  let ended = false;
  return {
    signal: controller.signal,
    end() {
      if (ended) return;
      ended = true;
      for (const { signal, abort } of listeners) signal.removeEventListener('abort', abort);
      controller.abort();
      onEnd();
    },
  };
}
