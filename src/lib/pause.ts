/**
 * Resolves after `ms`, or at once when the signal aborts. With a signal it is the pause of something that runs by
 * itself, and does not keep the process alive.
 */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    if (signal) timer.unref();
    signal?.addEventListener('abort', end);
  });
}
