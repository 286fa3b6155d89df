import type { Queryable, Write } from '../db/database.ts';
import type { SyncRun } from '../db/rows.ts';
import type { SyncEvent } from './event.ts';
import type { LockedLogs } from './sql/log-sql.ts';

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
 * recording of the transaction, so none of its functions changes anything.
 *
 * Every transaction costs each projection two statements, however many events, users and keys there are: `read` sends
 * one and `write` makes one; nothing where no event has a key. A projection bounds the keys of an event, and
 * `limits.eventsPerTransaction` the events.
 */
export interface Projection<Key extends ProjectionKey, State> {
  /** The keys of the states that an event may change, out of what its producer has said; none for most events of some. Pure. */
  keysOf(event: ToldEvent): readonly Key[];
  /** The states with these keys, each with its key, in any order. What does not exist yet is left out. */
  read(transaction: Queryable, keys: readonly Key[]): Promise<readonly (readonly [key: Key, state: State])[]>;
  /**
   * A state after one more event. Pure: time comes from the event, never from a clock.
   * @param state as earlier events left it; undefined if there is none yet
   * @param key which of the event's states it is
   * @param runBefore the event's run as it stood before this event; undefined for the first event of a run
   * @returns the new state, or undefined when the event leaves the state, or its absence, as it is.
   */
  fold(state: State | undefined, event: SyncEvent, runBefore: SyncRun | undefined, key: Key): State | undefined;
  /**
   * Stores the states that were folded, at least one: inserts those that are new and replaces the others. Pure.
   * @param change the transaction, in the database's own order: what looks for changed states goes by it
   */
  write(states: readonly State[], change: LockedLogs['change']): Write;
  /**
   * Where the events of a run, and no others, make states, and only they may change them: removes those of these runs, at
   * least one. They are folded anew with the run then. Pure.
   */
  readonly removeOfRuns?: (runs: readonly Pick<SyncRun, 'userId' | 'runId'>[]) => Write;
}

/** What the producer of an event has said of it, as far as keys may come out of it. */
export type ToldEvent = Pick<SyncEvent, 'userId' | 'runId' | 'provider' | 'source' | 'stage'> & {
  readonly scope?: string | null | undefined;
  readonly metadata?: unknown;
  readonly dataTypes?: unknown;
};

/** Any projection. Nothing looks into its keys and states: they only go back to where they came from. */
export type AnyProjection = Projection<ProjectionKey, unknown>;

/** An event that a transaction adds to the log. */
export interface AddedEvent {
  readonly event: SyncEvent;
  /** The event's run as it stood before it; undefined for the first event of a run. */
  readonly runBefore: SyncRun | undefined;
}

/** The states of one projection that a recording may change, by the text of their keys. */
export async function readStates(
  projection: AnyProjection,
  transaction: Queryable,
  drafts: readonly ToldEvent[],
): Promise<ReadonlyMap<string, unknown>> {
  const keys = new Map(drafts.flatMap((draft) => projection.keysOf(draft)).map((key) => [textOf(key), key]));
  if (keys.size === 0) return new Map();
  const read = await projection.read(transaction, [...keys.values()]);
  return new Map(read.map(([key, state]) => [textOf(key), state]));
}

/** What brings one projection up to date with the events that a transaction adds, in order of sequence. */
export function foldStates(
  projection: AnyProjection,
  states: ReadonlyMap<string, unknown>,
  added: readonly AddedEvent[],
  change: LockedLogs['change'],
): Write[] {
  const folded = new FoldedStates(projection, states);
  for (const each of added) folded.add(each);
  return folded.changed.length > 0 ? [projection.write(folded.changed, change)] : [];
}

/** States of one projection as further events leave them. */
export class FoldedStates {
  readonly projection: AnyProjection;
  readonly #read: ReadonlyMap<string, unknown>;
  readonly #changed = new Map<string, unknown>();

  constructor(projection: AnyProjection, read: ReadonlyMap<string, unknown> = new Map()) {
    this.projection = projection;
    this.#read = read;
  }

  get changed(): readonly unknown[] {
    return [...this.#changed.values()];
  }

  /** Adds an event, in order of sequence. */
  add({ event, runBefore }: AddedEvent): void {
    for (const key of this.projection.keysOf(event)) {
      const name = textOf(key);
      const before = this.#changed.get(name) ?? this.#read.get(name);
      const state = this.projection.fold(before, event, runBefore, key);
      if (state !== undefined && state !== before) this.#changed.set(name, state);
    }
  }
}

/** A key as one text, for maps. No text of an event has a NUL in it. */
function textOf(key: ProjectionKey): string {
  return key.join('\0');
}
