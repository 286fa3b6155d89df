/**
 * A user's log has changed, or is gone; or something beside the log has changed without an event, such as a connection. It
 * says where to look; the database says what is there.
 */
export type LogChange =
  | { readonly kind: 'grown'; readonly userId: string; readonly head: number; readonly previousHead: number }
  | { readonly kind: 'deleted' | 'touched'; readonly userId: string };

type Listener = (change: LogChange) => void;

/**
 * The bell of the logs in this process. Ringing it never fails and never waits; a ring that is lost costs its
 * readers time, because they look again by themselves, and never an event.
 */
export class WakeUps {
  /** Each with what it does about a gap. */
  readonly #listeners = new Map<Listener, () => void>();
  readonly #relays = new Set<Listener>();

  /** Something has changed through this process: tells every listener, in this turn of the event loop, and the relays. */
  notify(change: LogChange): void {
    for (const relay of this.#relays) relay(change);
    this.hear(change);
  }

  /** Something has changed through another process: tells every listener, in this turn of the event loop. */
  hear(change: LogChange): void {
    for (const listener of this.#listeners.keys()) listener(change);
  }

  /** Changes through other processes may have been missed: tells every listener, in this turn of the event loop. */
  tellGap(): void {
    for (const onGap of this.#listeners.values()) onGap();
  }

  /**
   * @param onGap called when changes may have been missed: a reason to look.
   * @returns what ends the listening.
   */
  listen(listener: Listener, onGap = () => {}): () => void {
    this.#listeners.set(listener, onGap);
    return () => this.#listeners.delete(listener);
  }

  /** Tells only of changes through this process, to be passed on to others. @returns what ends the relaying. */
  relay(relay: Listener): () => void {
    this.#relays.add(relay);
    return () => this.#relays.delete(relay);
  }
}
