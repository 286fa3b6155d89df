import { setTimeout as wait } from 'node:timers/promises';

/** Waits so many milliseconds, or until the signal aborts if that is sooner. It keeps no process alive. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await wait(ms, undefined, { ...(signal && { signal }), ref: false }).catch(() => {}); // it has aborted
}
