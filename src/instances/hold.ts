import { setTimeout as wait } from 'node:timers/promises';
import { pause } from '../lib/pause.ts';
import { retry } from '../lib/retry.ts';
import type { Limits } from '../limits.ts';

/** A source that one instance at a time may hold, by a lease that is renewed meanwhile. */
export interface Holdable {
  /** Takes the lease for this instance. False while another instance holds the source. */
  take(): Promise<boolean>;
  /** Saves what the holder has noted and renews the lease. False when another instance has taken the source. */
  save(): Promise<boolean>;
  /** Gives the lease up, so that another instance may take the source at once. */
  release(): Promise<void>;
}

/**
 * Works on a source whenever this instance holds it; the others wait to take it when this one dies or stops. The work is
 * begun again when it fails.
 * `close` hands over at once; it waits no longer than `shutdownMs` for a database that does not answer.
 * @param work ends when its signal aborts: the source was lost, or `close` was called.
 */
export function startHolding(
  source: Holdable,
  work: (signal: AbortSignal) => Promise<void>,
  {
    limits,
    onError,
  }: {
    readonly limits: Pick<Limits, 'sourceTryMs' | 'sourceRenewMs' | 'shutdownMs'>;
    readonly onError: (error: unknown) => void;
  },
): { close(): Promise<void> } {
  const closing = new AbortController();
  const running = run();

  async function run(): Promise<void> {
    const { signal } = closing;
    while (!signal.aborted) {
      const isHeld = await retry(() => source.take(), { signal, pauseMs: limits.sourceRenewMs, onFailure: onError });
      if (isHeld) await hold();
      else await pause(limits.sourceTryMs, signal);
    }
  }

  async function hold(): Promise<void> {
    const lost = new AbortController();
    const signal = AbortSignal.any([closing.signal, lost.signal]);
    const renewing = renew(lost, signal);
    if (!signal.aborted) await retry(() => work(signal), { signal, pauseMs: limits.sourceTryMs, onFailure: onError });
    lost.abort();
    await renewing;
    if (closing.signal.aborted) await source.release().catch(onError);
  }

  /** While the database is away nothing can be renewed, and nothing be recorded either: the work waits for it. */
  async function renew(lost: AbortController, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(limits.sourceRenewMs, signal);
      const isHeld = signal.aborted || (await source.save().catch((error: unknown) => onError(error)));
      if (isHeld === false) lost.abort();
    }
  }

  return {
    async close() {
      closing.abort();
      await Promise.race([running, wait(limits.shutdownMs, undefined, { ref: false })]);
    },
  };
}
