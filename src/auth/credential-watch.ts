import { setMaxListeners } from 'node:events';
import { AppError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Limits } from '../limits.ts';
import type { ApiKeys } from './api-keys.ts';
import { endOfSecret, type KeyLife } from './key-life.ts';
import type { OpenWearablesKeys } from './open-wearables-keys.ts';
import type { Viewer } from './viewer.ts';

/** Node cannot wait longer with one timer: it would fire at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

interface CredentialWatchParts {
  readonly keys: Pick<ApiKeys, 'unrevoked' | 'onChanged'>;
  /** Who knows the keys that are not in the database. */
  readonly elsewhere?: Pick<OpenWearablesKeys, 'made' | 'isRevoked'> | undefined;
  readonly limits: Pick<Limits, 'credentialPollMs'>;
  readonly clock?: Clock;
  /** Told when a poll failed. The credentials count as good until a later poll says otherwise. */
  readonly onError?: (error: unknown) => void;
}

/** One open stream or socket, as the watch sees it. */
interface Watched {
  readonly viewer: Viewer;
  readonly controller: AbortController;
  /** When its time is over, in milliseconds since 1970. */
  expiresAt: number;
  /** The same by `performance.now()`: a clock that is set back meanwhile gives it no more. */
  endsAt: number;
  expiry: NodeJS.Timeout | undefined;
}

/** What a stream or socket has of the watch. */
class WatchedCredential {
  readonly signal: AbortSignal;
  readonly #release: () => void;

  constructor(signal: AbortSignal, release: () => void) {
    this.signal = signal;
    this.#release = release;
  }

  release(): void {
    this.#release();
  }
}

/**
 * Looks after the credentials of whatever stays open longer than a request. A watched credential is open until it is
 * released, or until it ends: its time is over, or its API key was revoked. While no API key is watched, nothing polls;
 * while any is, one poll asks for all of them. The timers do not keep the process alive.
 */
export class CredentialWatch {
  readonly #keys: CredentialWatchParts['keys'];
  readonly #elsewhere: CredentialWatchParts['elsewhere'];
  readonly #limits: CredentialWatchParts['limits'];
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  readonly #open = new Set<Watched>();
  readonly #openByKey = new Map<string, Set<Watched>>();
  readonly #stopListening: () => void;
  #nextPoll: NodeJS.Timeout | undefined;
  #polling = false;
  #closed = false;

  constructor({ keys, elsewhere, limits, clock = Date.now, onError = () => {} }: CredentialWatchParts) {
    this.#keys = keys;
    this.#elsewhere = elsewhere;
    this.#limits = limits;
    this.#clock = clock;
    this.#onError = onError;
    this.#stopListening = keys.onChanged((id, life) => this.#follow(id, life));
  }

  /**
   * The signal aborts once, when the credential ends: with the reason AppError `TOKEN_EXPIRED` when its time is over,
   * as that of a secret which was replaced is after the overlap, or `UNAUTHENTICATED` when its API key was revoked. A
   * revocation and a rotation are noticed at once in the process that made them, else within `limits.credentialPollMs`; one at Open Wearables once its last answer counts no longer. Without an expiry and a key (an anonymous viewer) it never aborts. The
   * caller releases it when the stream or socket closes; releasing twice, or after the abort, is fine.
   */
  watch(viewer: Viewer): WatchedCredential {
    const expiresAt = (viewer.kind === 'anonymous' ? null : viewer.expiresAt)?.getTime() ?? Number.POSITIVE_INFINITY;
    const watched: Watched = {
      viewer,
      controller: new AbortController(),
      expiresAt,
      endsAt: performance.now() + expiresAt - this.#clock(),
      expiry: undefined,
    };
    // Every stream of a socket listens to the one signal; Node warns of a leak from the eleventh on.
    setMaxListeners(0, watched.controller.signal);
    if (!this.#closed) this.#add(watched);
    return new WatchedCredential(watched.controller.signal, () => this.#remove(watched));
  }

  /** Releases everything and aborts nothing; what is watched afterwards never aborts. */
  close(): void {
    this.#closed = true;
    this.#stopListening();
    for (const watched of this.#open) this.#remove(watched);
  }

  #add(watched: Watched): void {
    this.#open.add(watched);
    this.#awaitExpiry(watched);
    if (watched.viewer.kind !== 'service' || !this.#open.has(watched)) return;
    const { keyId } = watched.viewer;
    const ofKey = this.#openByKey.get(keyId) ?? new Set();
    ofKey.add(watched);
    this.#openByKey.set(keyId, ofKey);
    this.#schedulePoll();
  }

  #remove(watched: Watched): void {
    if (!this.#open.delete(watched)) return;
    clearTimeout(watched.expiry);
    if (watched.viewer.kind !== 'service') return;
    const ofKey = this.#openByKey.get(watched.viewer.keyId);
    ofKey?.delete(watched);
    if (ofKey?.size === 0) this.#openByKey.delete(watched.viewer.keyId);
    if (this.#openByKey.size === 0) this.#cancelPoll();
  }

  /** Ends a stream or socket whose credential has expired, and else sets a timer, which may fire early, to look again. */
  #awaitExpiry(watched: Watched): void {
    const remaining = watched.endsAt - performance.now();
    if (remaining <= 0) this.#end(watched);
    else if (remaining < Number.POSITIVE_INFINITY)
      watched.expiry = setTimeout(
        () => this.#awaitExpiry(watched),
        Math.min(Math.ceil(remaining), LONGEST_TIMEOUT_MS),
      ).unref();
  }

  /** Where a key has been revoked and its time is over as well, the time is the reason. */
  #end(watched: Watched): void {
    this.#remove(watched);
    watched.controller.abort(
      watched.endsAt <= performance.now()
        ? new AppError('TOKEN_EXPIRED', 'The credential of this connection has expired')
        : new AppError('UNAUTHENTICATED', 'The API key has been revoked', { credential: 'api_key' }),
    );
  }

  /** Ends what is open with a key that is revoked, and else what has a secret that is to end sooner than was known. */
  #follow(id: string, life: KeyLife | null | undefined): void {
    for (const watched of this.#openByKey.get(id) ?? [])
      if (life) this.#shorten(watched, life);
      else this.#end(watched);
  }

  #shorten(watched: Watched, life: KeyLife): void {
    const rotation = watched.viewer.kind === 'service' ? watched.viewer.rotation : undefined;
    const end = rotation === undefined ? undefined : endOfSecret(life, rotation)?.getTime();
    if (end === undefined || end >= watched.expiresAt) return;
    clearTimeout(watched.expiry);
    watched.expiresAt = end;
    watched.endsAt = Math.min(watched.endsAt, performance.now() + end - this.#clock());
    this.#awaitExpiry(watched);
  }

  #schedulePoll(): void {
    if (this.#nextPoll || this.#polling || this.#openByKey.size === 0) return;
    this.#nextPoll = setTimeout(() => void this.#poll(), this.#limits.credentialPollMs).unref();
  }

  #cancelPoll(): void {
    clearTimeout(this.#nextPoll);
    this.#nextPoll = undefined;
  }

  /** The keys that are in the database. About the others their owner is asked, without anybody waiting for it. */
  #idsHere(): string[] {
    return [...this.#openByKey].flatMap(([id, [first]]) => {
      if (!first || !this.#elsewhere?.made(first.viewer)) return [id];
      void this.#elsewhere.isRevoked(first.viewer).then((isRevoked) => isRevoked && this.#follow(id, null));
      return [];
    });
  }

  async #poll(): Promise<void> {
    this.#nextPoll = undefined;
    this.#polling = true;
    const ids = this.#idsHere();
    try {
      const unrevoked = await this.#keys.unrevoked(ids);
      for (const id of ids) this.#follow(id, unrevoked.get(id));
    } catch (error) {
      this.#onError(error);
    } finally {
      this.#polling = false;
      this.#schedulePoll();
    }
  }
}
