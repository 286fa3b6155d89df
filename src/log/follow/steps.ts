import type { SyncEvent } from '../event.ts';
import { matches, type SyncEventFilter } from '../filter.ts';
import type { LogTail } from './log-tail.ts';

/** Why a follower could not continue where it was asked to. */
export interface FollowReset {
  readonly reason: 'CURSOR_EXPIRED' | 'CURSOR_AHEAD';
  /** Sequence of the oldest event kept. */
  readonly oldest: number;
  readonly head: number;
}

/** One step of a follower. Several followers may be handed the same one. */
export interface FollowedEvents {
  /** Oldest first; empty in a checkpoint. */
  readonly events: readonly SyncEvent[];
  /** Everything up to this sequence has been seen: resume after it. */
  readonly cursor: number;
  readonly head: number;
  readonly caughtUp: boolean;
  readonly reset: FollowReset | null;
  /** For who writes events that have just come to a socket: told of each reader who has them there. */
  readonly delivered?: Delivered | undefined;
}

/** @param readyAt when the reader asked for them, by `performance.now()`: what came before is not late for that reader */
export type Delivered = (readyAt: number) => void;

/** The step that a page of the log makes, which is not empty, or the head of the log was reached before it. */
export function stepWith(
  page: readonly SyncEvent[],
  { head }: Pick<LogTail, 'head'>,
  filter: SyncEventFilter | null | undefined,
): FollowedEvents {
  const cursor = page.at(-1)?.sequence ?? head;
  const events = filter ? page.filter((event) => matches(event, filter)) : page;
  return { events, cursor, head, caughtUp: cursor >= head, reset: null };
}

/** As many steps are kept: there are as many as followers are at other places, or have other filters. */
const KEPT_STEPS = 50;

/** The steps that lead to the head of one log, or rest there, for all who take the same one. They are forgotten when it grows. */
export class SharedSteps {
  #head = -1;
  /** The oldest first. */
  readonly #byPlace = new Map<string | number, FollowedEvents>();

  /**
   * @param recall the page after the cursor, if it is in memory; it is empty at the head
   * @param measure begins to measure how late a step comes with this event and newer ones
   */
  after(
    cursor: number,
    filter: SyncEventFilter | null | undefined,
    tail: LogTail,
    recall: () => readonly SyncEvent[] | undefined,
    measure: (oldest: SyncEvent) => Delivered,
  ): FollowedEvents | undefined {
    if (this.#head !== tail.head) this.#byPlace.clear();
    this.#head = tail.head;
    const place = filter && cursor < tail.head ? `${cursor}${JSON.stringify(filter)}` : cursor;
    const known = this.#byPlace.get(place);
    if (known) return known;
    const page = recall();
    if (!page) return undefined;
    const made = stepWith(page, tail, filter);
    const [first] = made.events;
    const step = first ? { ...made, delivered: measure(first) } : made;
    this.#byPlace.set(place, step);
    const [oldest] = this.#byPlace.keys();
    if (this.#byPlace.size > KEPT_STEPS && oldest !== undefined) this.#byPlace.delete(oldest);
    return step;
  }
}
