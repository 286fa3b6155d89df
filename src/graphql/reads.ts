import type { Batch } from './batch.ts';

/** A question that an answer began with, and what the database said then. */
export interface Root {
  // Whatever a batch is asked and answers: it is asked the same again, and the answers are compared as text.
  readonly batch: Batch<unknown, unknown>;
  readonly key: unknown;
  /** What was said, as {@link asText} writes it. */
  readonly said: string;
}

/**
 * What an answer rests on. It holds exactly as long as each root is answered alike: rows of users are roots, and whatever
 * else is kept of a user changes in the transaction that changes the user's row.
 */
export type Basis = readonly Root[];

/** An answer to a root, so that two of them can be compared. */
export const asText = (answer: unknown): string => JSON.stringify(answer);

/**
 * Follows what one operation reads. It begins with nothing and is lost with the first thing that cannot be followed, such
 * as the clock, so that an answer is kept only where it is known what could change it.
 */
export class Reads {
  readonly #roots = new Map<unknown, Map<string, Root>>();
  readonly #users = new Set<string>();
  #isLost = false;

  /** Something is read of which nobody can say later whether it has changed. */
  lose(): void {
    this.#isLost = true;
  }

  /** What belongs to a user is about to be read. It rests on the user's row, which must have been read before. */
  belowUser(userId: string): void {
    if (!this.#users.has(userId)) this.lose();
  }

  /** A root was answered. @param users whose rows are in the answer */
  root<K, V>(batch: Batch<K, V>, key: K, answer: V, users: readonly string[]): void {
    const known = this.#roots.get(batch) ?? new Map<string, Root>();
    this.#roots.set(batch, known);
    const name = batch.keyOf(key);
    if (known.has(name)) return;
    known.set(name, { batch, key, said: asText(answer) } as Root);
    for (const id of users) this.#users.add(id);
  }

  /** Undefined when something was read that could not be followed. */
  get basis(): Basis | undefined {
    return this.#isLost ? undefined : [...this.#roots.values()].flatMap((known) => [...known.values()]);
  }
}
