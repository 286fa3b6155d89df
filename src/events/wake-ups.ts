/** A user's log has changed, or is gone. It says where to look; the database says what is there. */
export type LogChange =
  | { readonly kind: 'grown'; readonly userId: string; readonly head: number; readonly previousHead: number }
  | { readonly kind: 'deleted'; readonly userId: string };

/**
 * The doorbell of the logs in this process. Ringing it never fails and never waits; a ring that is lost costs its
 * readers time, because they look again by themselves, and never an event.
 */
export class WakeUps {
  readonly #listeners = new Set<(change: LogChange) => void>();

  /** Calls every listener, in this turn of the event loop. */
  notify(change: LogChange): void {
    for (const listener of this.#listeners) listener(change);
  }

  /** @returns what ends the listening. */
  listen(listener: (change: LogChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
