import { toStorable } from '../db/columns.ts';

/** Why an entry says nothing to the log. */
export type IgnoredReason = 'unknown_type' | 'no_event' | 'deleted_user' | 'unknown_user';

/** An entry that says nothing to the log. */
export interface IgnoredEntry {
  readonly ignored: IgnoredReason;
  /** What its sender calls such entries; null where entries have no types. */
  readonly type: string | null;
}

/** Entries that were ignored for the same reason, and of the same type. */
export interface IgnoredKind extends IgnoredEntry {
  readonly count: number;
}

/** So many types of a source have a count of their own; all others share one. Open Wearables has less than a hundred. */
export const NAMED_TYPES = 200;
const TYPE_LENGTH = 100;

/** What was ignored of one source, by reason and type, since this process began. */
export class IgnoredEntries {
  readonly #kinds = new Map<string, IgnoredKind>();

  add({ ignored, type }: IgnoredEntry, times: number): void {
    const given = { ignored, type: type === null ? null : toStorable(type, TYPE_LENGTH) };
    const isRoom = this.#kinds.has(keyOf(given)) || this.#kinds.size < NAMED_TYPES;
    const kind = isRoom ? given : { ignored, type: null };
    const known = this.#kinds.get(keyOf(kind));
    this.#kinds.set(keyOf(kind), { ...kind, count: (known?.count ?? 0) + times });
  }

  /** In the order in which they first came. At most as many as {@link NAMED_TYPES}, and one for each reason. */
  get kinds(): readonly IgnoredKind[] {
    return [...this.#kinds.values()];
  }
}

const keyOf = ({ ignored, type }: IgnoredEntry) => JSON.stringify([ignored, type]);
