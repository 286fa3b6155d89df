import { setMaxListeners } from 'node:events';
import type { CredentialWatch } from '../auth/credential-watch.ts';
import type { StreamLife } from '../graphql/context.ts';
import type { Limits } from '../limits.ts';
import { type Client, type Place, StreamCounts } from './stream-counts.ts';

/** The doors at which streams are opened. */
export type StreamDoor = 'graphql' | 'websocket' | 'rest';

/** Told how many of something are open, when there may be no more of it. */
export type OnFull = (open: number, what: 'streams' | 'exports') => void;

/**
 * Every stream that is open, on any door. A stream lives until the first of these: its client leaves, its credential
 * ends, the server stops. How many there may be: {@link StreamCounts}.
 */
export class OpenStreams {
  readonly #credentials: CredentialWatch;
  readonly #shutdown: AbortSignal;
  readonly #lives = new Set<Life>();
  readonly #counts: StreamCounts;
  readonly #exports: StreamCounts;
  readonly #byDoor: Record<StreamDoor, number> = { graphql: 0, websocket: 0, rest: 0 };
  #sockets = 0;

  /**
   * @param shutdown aborts when the server stops, with the reason that streams end with.
   * @param onFull as {@link StreamCounts} tells it
   */
  constructor(credentials: CredentialWatch, limits: Limits, shutdown: AbortSignal, onFull?: OnFull) {
    this.#credentials = credentials;
    const { openStreams, streamParts, openExports, exportParts } = limits;
    this.#counts = new StreamCounts({ all: openStreams, parts: streamParts, what: 'sockets and streams' }, (open) =>
      onFull?.(open, 'streams'),
    );
    this.#exports = new StreamCounts({ all: openExports, parts: exportParts, what: 'exports' }, (open) =>
      onFull?.(open, 'exports'),
    );
    this.#shutdown = shutdown;
    // A listener for each stream would make the opening of many slow: each new one is compared with all others.
    shutdown.addEventListener('abort', () => {
      for (const life of this.#lives) life.end(shutdown.reason);
    });
  }

  /** How many streams are open at each door. */
  get byDoor(): Readonly<Record<StreamDoor, number>> {
    return this.#byDoor;
  }

  /** How many sockets of known clients are open. */
  get sockets(): number {
    return this.#sockets;
  }

  /**
   * Counts a socket of somebody who has not said who they are.
   * @returns where it is counted
   * @throws AppError as {@link StreamCounts.take} does
   */
  arrive(address: string): Place {
    return this.#counts.take({ viewer: { kind: 'anonymous' }, address }, true);
  }

  /**
   * Begins the life of a socket.
   * @param arrival where it was counted until now, and is still when it is refused
   * @throws AppError as {@link StreamCounts.take} does
   */
  openSocket(client: Client, arrival: Place): StreamLife {
    const life = this.#open(client, undefined, arrival, () => {
      this.#sockets -= 1;
    });
    this.#sockets += 1;
    return life;
  }

  /**
   * Begins the life of a stream that has a connection of its own.
   * @param left aborts when the client leaves
   * @throws AppError as {@link StreamCounts.take} does
   */
  open(client: Client, door: Exclude<StreamDoor, 'websocket'>, left: AbortSignal): StreamLife {
    const life = this.#open(client, left, undefined, () => {
      this.#byDoor[door] -= 1;
    });
    this.#byDoor[door] += 1;
    return life;
  }

  /**
   * Begins the life of an export, which is a stream of REST and counts as an export besides: unread, it holds a page.
   * @param left aborts when the client leaves
   * @throws AppError as {@link StreamCounts.take} does
   */
  openExport(client: Client, left: AbortSignal): StreamLife {
    const place = this.#exports.take(client);
    try {
      const life = this.open(client, 'rest', left);
      if (life.signal.aborted) place.leave();
      life.signal.addEventListener('abort', place.leave);
      return life;
    } catch (error) {
      place.leave();
      throw error;
    }
  }

  #open(client: Client, left: AbortSignal | undefined, arrival: Place | undefined, onEnd: () => void): StreamLife {
    const place = this.#counts.take(client, false, arrival);
    const credential = this.#credentials.watch(client.viewer);
    const life = new Life(() => {
      this.#lives.delete(life);
      credential.release();
      place.leave();
      onEnd();
    });
    this.#lives.add(life);
    if (this.#shutdown.aborted) life.end(this.#shutdown.reason);
    life.follow(left ? [left, credential.signal] : [credential.signal]);
    return life;
  }

  /** Begins the life of a stream on a socket, within the socket's own. @throws AppError as {@link StreamCounts.take} does */
  openWithin(client: Client, socket: AbortSignal): StreamLife {
    const place = this.#counts.take(client);
    this.#byDoor.websocket += 1;
    return startLife([socket], () => {
      place.leave();
      this.#byDoor.websocket -= 1;
    });
  }
}

/**
 * A stream's life that ends, with the same reason, when the first of several signals aborts. (`AbortSignal.any` would
 * keep every stream reachable from a signal that lives as long as the server.) `onEnd` is called once, however it ends.
 */
export function startLife(signals: readonly AbortSignal[], onEnd?: () => void): StreamLife {
  const life = new Life(onEnd);
  life.follow(signals);
  return life;
}

/** Why a life has ended that nobody has ended with a reason. One for all, since each would hold a stack. */
const left = new DOMException('The stream is over', 'AbortError');

class Life implements StreamLife {
  readonly #controller = new AbortController();
  readonly #onEnd: (() => void) | undefined;
  #signals: readonly AbortSignal[] = [];

  constructor(onEnd?: () => void) {
    this.#onEnd = onEnd;
    setMaxListeners(0, this.signal); // all streams of a socket listen to the socket's life
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Ends with the first of these. Called once. */
  follow(signals: readonly AbortSignal[]): void {
    if (this.signal.aborted) return;
    this.#signals = signals;
    for (const signal of signals) signal.addEventListener('abort', this);
    if (signals.some(({ aborted }) => aborted)) this.handleEvent();
  }

  /** One of the signals has aborted. */
  handleEvent(): void {
    this.end(this.#signals.find(({ aborted }) => aborted)?.reason);
  }

  end(reason: unknown = left): void {
    if (this.signal.aborted) return;
    for (const signal of this.#signals) signal.removeEventListener('abort', this);
    this.#controller.abort(reason);
    this.#onEnd?.();
  }
}
