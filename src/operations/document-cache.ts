/** Characters of all documents in one cache. Parsed, they take up to 250 times as many bytes. */
const MAX_CHARACTERS = 500_000;

/**
 * What was made of the documents that were seen last. It is bounded by their characters and not by their number: a
 * thousand large ones, which need no credential, would fill the memory.
 */
export class DocumentCache<T> {
  /** The least recently used first. */
  readonly #entries = new Map<string, T>();
  #characters = 0;

  get(text: string): T | undefined {
    const entry = this.#entries.get(text);
    if (entry === undefined) return undefined;
    this.#entries.delete(text);
    this.#entries.set(text, entry);
    return entry;
  }

  set(text: string, entry: T): void {
    if (text.length > MAX_CHARACTERS || this.#entries.has(text)) return;
    this.#entries.set(text, entry);
    this.#characters += text.length;
    for (const oldest of this.#entries.keys()) {
      if (this.#characters <= MAX_CHARACTERS) break;
      this.#entries.delete(oldest);
      this.#characters -= oldest.length;
    }
  }
}
