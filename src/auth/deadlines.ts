/** Credentials whose ends are remembered. */
const MOST = 10_000;

/**
 * When the time of credentials is over, by how long this process has known them: a clock that is set back gives none of
 * them more. Of the least recently used ones only the clock is left.
 */
export class Deadlines {
  /** By `performance.now()`. The least recently used first. */
  readonly #ends = new Map<string, number>();

  /** @param now what the clock says, in milliseconds since 1970 */
  isOver(id: string, expiresAt: Date, now: number): boolean {
    const remainingMs = expiresAt.getTime() - now;
    const end = this.#ends.get(id) ?? performance.now() + remainingMs;
    this.#ends.delete(id);
    this.#ends.set(id, end);
    for (const oldest of this.#ends.keys()) {
      if (this.#ends.size <= MOST) break;
      this.#ends.delete(oldest);
    }
    return remainingMs <= 0 || end <= performance.now();
  }
}
