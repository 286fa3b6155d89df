/** Whatever has been opened, or runs by itself. */
interface Closable {
  close(): unknown;
}

/** What has been opened, one thing upon the other, and is closed the other way round. */
export class Opened {
  readonly #parts: Closable[] = [];

  add<T extends Closable>(part: T): T {
    this.#parts.push(part);
    return part;
  }

  /** Closes each part when those that came later are closed, whatever fails. @throws the first failure, after the last part */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (let part = this.#parts.pop(); part; part = this.#parts.pop())
      try {
        await part.close();
      } catch (error) {
        failures.push(error);
      }
    if (failures.length > 0) throw failures[0];
  }
}
