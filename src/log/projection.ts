import type { Transaction } from '../db/database.ts';
import type { SyncRun } from '../db/rows.ts';
import { groupBy } from '../lib/group-by.ts';
import type { SyncEvent } from './event.ts';

/** What tells one state of a projection from another, such as a user's id and a provider. */
type ProjectionKey = readonly (string | number)[];

/**
 * A table that is kept up to date by the events of the log: each row is what the events of one key add up to. The
 * recorder gives every event that is added to the log to every projection, in order of sequence, and in the transaction
 * that adds the event; so a state is never ahead of the log or behind it. A repetition, which adds nothing, is not given.
 *
 * The transaction holds the locks of the users whose events it adds. A state whose key names the user is therefore
 * changed by one transaction at a time; a projection whose states are shared between users has to lock them in `read`,
 * in an order of its own. The transaction may run again after a collision, and a projection that throws fails every
 * recording of the transaction, so the four functions change nothing but the database, and only within the transaction.
 *
 * Every transaction costs each projection two statements, however many events, users and keys there are: `read` and
 * `write` each send one. There are at most as many keys as events, which `limits.eventsPerTransaction` bounds.
 */
export interface Projection<Key extends ProjectionKey, State> {
  /** The key of the state that an event may change. Pure. */
  keyOf(event: SyncEvent): Key;
  /** The states with these keys, each with its key, in any order. What does not exist yet is left out. */
  read(transaction: Transaction, keys: readonly Key[]): Promise<readonly (readonly [key: Key, state: State])[]>;
  /**
   * A state after one more event. Pure: time comes from the event, never from a clock.
   * @param state as earlier events left it; undefined if there is none yet
   * @param runBefore the event's run as it stood before this event; undefined for the first event of a run. When the
   *   run had finished, `event.late` is true.
   * @returns the new state, or undefined when the event leaves the state, or its absence, as it is.
   */
  fold(state: State | undefined, event: SyncEvent, runBefore: SyncRun | undefined): State | undefined;
  /** Stores the states that were folded, at least one: inserts those that are new and replaces the others. */
  write(transaction: Transaction, states: readonly State[]): Promise<void>;
}

/** Any projection. Nothing looks into its keys and states: they only go back to where they came from. */
export type AnyProjection = Projection<ProjectionKey, unknown>;

/** An event that a transaction adds to the log. */
export interface AddedEvent {
  readonly event: SyncEvent;
  /** The event's run as it stood before it; undefined for the first event of a run. */
  readonly runBefore: SyncRun | undefined;
}

/** Brings one projection up to date with the events that a transaction adds, at least one, in order of sequence. */
export async function project(
  projection: AnyProjection,
  transaction: Transaction,
  added: readonly AddedEvent[],
): Promise<void> {
  const keyed = added.map((each) => ({ ...each, key: projection.keyOf(each.event) }));
  const byKey = groupBy(keyed, ({ key }) => JSON.stringify(key));
  const read = await projection.read(
    transaction,
    [...byKey.values()].flatMap(([first]) => (first ? [first.key] : [])),
  );
  const states = new Map(read.map(([key, state]) => [JSON.stringify(key), state]));
  const changed: unknown[] = [];
  for (const [key, events] of byKey) {
    const before = states.get(key);
    const state = events.reduce((sum, { event, runBefore }) => projection.fold(sum, event, runBefore) ?? sum, before);
    if (state !== before) changed.push(state);
  }
  if (changed.length > 0) await projection.write(transaction, changed);
}
