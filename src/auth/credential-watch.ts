import { setMaxListeners } from 'node:events';
import { AppError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import type { ApiKeys } from './api-keys.ts';
import type { Viewer } from './viewer.ts';

/** Node cannot wait longer with one timer: it would fire at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** Looks after the credentials of whatever stays open longer than a request. */
export interface CredentialWatch {
  /**
   * The signal aborts once, when the credential ends: with the reason AppError `TOKEN_EXPIRED` when its time is over,
   * or `UNAUTHENTICATED` when its API key was revoked. A revocation is noticed at once in the process that made it,
   * else within `limits.credentialPollMs`. Without an expiry and a key (an anonymous viewer) it never aborts. The
   * caller releases it when the connection closes; releasing twice, or after the abort, is fine.
   */
  watch(viewer: Viewer): { readonly signal: AbortSignal; release(): void };
  /** Releases everything and aborts nothing; what is watched afterwards never aborts. */
  close(): void;
}

export interface CredentialWatchOptions {
  readonly keys: Pick<ApiKeys, 'good' | 'onRevoked'>;
  readonly limits: Pick<Limits, 'credentialPollMs'>;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  /** Told when a poll failed. The credentials count as good until a later poll says otherwise. */
  readonly onPollError?: (error: unknown) => void;
}

/** One open connection, as the watch sees it. */
interface Watched {
  readonly viewer: Viewer;
  readonly controller: AbortController;
  expiry: NodeJS.Timeout | undefined;
}

/** A watch that keeps no timer and asks nothing while nothing is watched. Its timers do not keep the process alive. */
export function createCredentialWatch(options: CredentialWatchOptions): CredentialWatch {
  const { keys, limits, clock = Date.now, onPollError = () => {} } = options;
  const open = new Set<Watched>();
  const openByKey = new Map<string, Set<Watched>>();
  let nextPoll: NodeJS.Timeout | undefined;
  let polling = false;
  let closed = false;
  const stopListening = keys.onRevoked(endKey);

  function add(watched: Watched): void {
    open.add(watched);
    awaitExpiry(watched);
    if (watched.viewer.kind !== 'service' || !open.has(watched)) return;
    const { keyId } = watched.viewer;
    openByKey.set(keyId, (openByKey.get(keyId) ?? new Set()).add(watched));
    schedulePoll();
  }

  function remove(watched: Watched): void {
    if (!open.delete(watched)) return;
    clearTimeout(watched.expiry);
    if (watched.viewer.kind !== 'service') return;
    const ofKey = openByKey.get(watched.viewer.keyId);
    ofKey?.delete(watched);
    if (ofKey?.size === 0) openByKey.delete(watched.viewer.keyId);
    if (openByKey.size === 0) cancelPoll();
  }

  /** Ends a connection whose credential has expired, and else sets a timer, which may fire early, to look again. */
  function awaitExpiry(watched: Watched): void {
    const remaining = remainingMs(watched.viewer);
    if (remaining <= 0) end(watched);
    else if (remaining < Number.POSITIVE_INFINITY)
      watched.expiry = setTimeout(awaitExpiry, Math.min(remaining, LONGEST_TIMEOUT_MS), watched).unref();
  }

  /** A poll may find an expired key before its timer does; the reason of the abort is the expiry all the same. */
  function end(watched: Watched): void {
    remove(watched);
    watched.controller.abort(
      remainingMs(watched.viewer) <= 0
        ? new AppError('TOKEN_EXPIRED', 'The credential of this connection has expired')
        : new AppError('UNAUTHENTICATED', 'The API key has been revoked', { credential: 'api_key' }),
    );
  }

  function remainingMs(viewer: Viewer): number {
    const expiresAt = viewer.kind === 'anonymous' ? null : viewer.expiresAt;
    return expiresAt ? expiresAt.getTime() - clock() : Number.POSITIVE_INFINITY;
  }

  function endKey(id: string): void {
    for (const watched of openByKey.get(id) ?? []) end(watched);
  }

  function schedulePoll(): void {
    if (nextPoll || polling || openByKey.size === 0) return;
    nextPoll = setTimeout(poll, limits.credentialPollMs).unref();
  }

  function cancelPoll(): void {
    clearTimeout(nextPoll);
    nextPoll = undefined;
  }

  async function poll(): Promise<void> {
    nextPoll = undefined;
    polling = true;
    const ids = [...openByKey.keys()];
    try {
      const good = await keys.good(ids);
      for (const id of ids) if (!good.has(id)) endKey(id);
    } catch (error) {
      onPollError(error);
    } finally {
      polling = false;
      schedulePoll();
    }
  }

  return {
    watch(viewer) {
      const watched: Watched = { viewer, controller: new AbortController(), expiry: undefined };
      // Every stream of a socket listens to the one signal; Node warns of a leak from the eleventh on.
      setMaxListeners(0, watched.controller.signal);
      if (!closed) add(watched);
      return { signal: watched.controller.signal, release: () => remove(watched) };
    },
    close() {
      closed = true;
      stopListening();
      for (const watched of open) remove(watched);
    },
  };
}
