import type { Redis } from 'ioredis';
import { inPieces } from '../../lib/in-pieces.ts';
import type { UnreadableEntry } from '../quarantine.ts';
import type { Entry } from '../record-entries.ts';
import { outlineOf } from './read-entry.ts';
import { type Found, readKeys, scanKeys } from './redis-reads.ts';

// What Open Wearables keeps in Redis:
// - a list for each user, such as `sync:status:user:0b8f…:recent`. LPUSH puts the newest event at its head, and LTRIM
//   cuts it to the newest 200;
// - a text for each run, such as `sync:status:run:pull_41c6…`: the newest event of the run, for a day.
const LISTS = 'sync:status:user:*:recent';
const RUNS = 'sync:status:run:*';
const [LIST_START = '', LIST_END = ''] = LISTS.split('*');
/** What LTRIM leaves of a list. */
const ENTRIES_PER_LIST = 200;

/** Users whose entries are read, and keys that are asked for, in one go. */
const USERS_AT_ONCE = 10;
const VALUES_AT_ONCE = 100;
/** Lists are read in one go as far as they are likely to have so many characters in all. */
const LENGTH_AT_ONCE = 4_194_304;

/** A piece of what Redis has stored: the entries of a few users, or runs whose user is not known. */
export interface StoredEntries {
  /** Users with a list among those that were read. */
  readonly users: number;
  /** Oldest first for each user. */
  readonly entries: readonly Entry[];
  /** Keys such as `sync:status:run:pull_41c6…` that hold another kind of value than theirs. */
  readonly unreadable: readonly UnreadableEntry[];
}

/** Where else events stand that LTRIM has cut off a user's list, by the ids of users. */
interface Candidates {
  /** Keys of the user's runs, such as `sync:status:run:pull_41c6…`. */
  readonly runs: ReadonlyMap<string, readonly string[]>;
  /** Messages of the user that had come before anything was read, in their order. */
  readonly messages: ReadonlyMap<string | undefined, readonly Entry[]>;
}

/**
 * Reads all that Redis has stored, a few users at a time: for each user first the events that LTRIM has cut off the
 * list, as far as a run's key or a message still has them; then the list.
 */
export async function* readAllUsers(
  redis: Redis,
  messages: Candidates['messages'],
): AsyncGenerator<StoredEntries, void, undefined> {
  const runs = new Map<string, string[]>();
  yield* findRuns(redis, runs);
  for await (const lists of scanKeys(redis, LISTS, USERS_AT_ONCE)) {
    yield* readUsers(redis, lists, { runs, messages });
    for (const list of lists) runs.delete(userOf(list));
  }
  // What is left are runs of users whose list, such as `sync:status:user:0b8f…:recent`, is gone.
  for (const users of inPieces([...runs.keys()], USERS_AT_ONCE))
    yield* readUsers(
      redis,
      users.map((userId) => `${LIST_START}${userId}${LIST_END}`),
      { runs, messages },
    );
}

/** Reads what is stored of the users with these lists, in pieces of which each fits into memory. */
export async function* readUsers(
  redis: Redis,
  lists: readonly string[],
  candidates: Candidates = { runs: new Map(), messages: new Map() },
): AsyncGenerator<StoredEntries, void, undefined> {
  for (const some of inPieces(lists, USERS_AT_ONCE))
    for (const fitting of groupsOf(await readKeys(redis, some, (pipeline, key) => pipeline.lrange(key, 0, 0)))) {
      // Runs are read before lists: Open Wearables writes an event to the list first, so that a run's event that the
      // list lacks afterwards has been cut off.
      const runs = await readRuns(redis, fitting.map(userOf), candidates.runs);
      const found = await readKeys(redis, fitting, (pipeline, key) => pipeline.lrange(key, 0, ENTRIES_PER_LIST - 1));
      yield {
        users: found.filter(({ values }) => values.length > 0).length,
        entries: found.flatMap((list) => {
          const userId = userOf(list.key);
          return inOrder(list, runs.get(userId) ?? [], candidates.messages.get(userId) ?? []);
        }),
        unreadable: found.flatMap(asUnreadable),
      };
    }
}

/** Finds the lists whose newest entry is not settled: that entry has been missed. */
export async function* findChangedLists(
  redis: Redis,
  areSettled: (entries: readonly Entry[]) => Promise<readonly boolean[]>,
): AsyncGenerator<string[], void, undefined> {
  for await (const keys of scanKeys(redis, LISTS, VALUES_AT_ONCE)) {
    const heads = await readKeys(redis, keys, (pipeline, key) => pipeline.lrange(key, 0, 0));
    const newest = heads.flatMap(entriesOf);
    const settled = await areSettled(newest);
    yield newest.filter((_, index) => !settled[index]).map(({ place }) => place);
  }
}

/** Sorts the keys of runs by user, into `byUser`. Yields the runs whose event does not say whose it is: it is bad. */
async function* findRuns(redis: Redis, byUser: Map<string, string[]>): AsyncGenerator<StoredEntries, void, undefined> {
  for await (const keys of scanKeys(redis, RUNS, VALUES_AT_ONCE)) {
    const found = await readKeys(redis, keys, (pipeline, key) => pipeline.get(key));
    const entries = found.flatMap(entriesOf);
    const lost: Entry[] = [];
    for (const entry of entries) {
      const { userId } = outlineOf(entry.text);
      const keys = userId === undefined ? undefined : byUser.get(userId);
      if (userId === undefined) lost.push(entry);
      else if (keys) keys.push(entry.place);
      else byUser.set(userId, [entry.place]);
    }
    yield { users: 0, entries: lost, unreadable: found.flatMap(asUnreadable) };
  }
}

/** The newest events of the runs of some users, oldest first by the producer's clock. */
async function readRuns(
  redis: Redis,
  users: readonly string[],
  runs: Candidates['runs'],
): Promise<Map<string, Entry[]>> {
  const byUser = new Map<string, Entry[]>();
  for (const userId of users) {
    const entries: Entry[] = [];
    for (const keys of inPieces(runs.get(userId) ?? [], VALUES_AT_ONCE)) {
      const found = await readKeys(redis, keys, (pipeline, key) => pipeline.get(key));
      entries.push(...found.flatMap(entriesOf));
    }
    // Another user's run may have the same id, and its event may have come under the key meanwhile.
    const own = entries.filter(({ text }) => outlineOf(text).userId === userId);
    byUser.set(userId, byTime(own));
  }
  return byUser;
}

/** A user's events oldest first, each once: those that were cut off the list, and the list. */
function inOrder(list: Found, runs: readonly Entry[], messages: readonly Entry[]): Entry[] {
  const listed = list.values.toReversed().map((text) => ({ text, place: list.key }));
  if (runs.length + messages.length === 0) return listed;
  const isElsewhere = (others: readonly Entry[]) => {
    const ids = new Set(others.map(idOf));
    return (entry: Entry) => !ids.has(idOf(entry));
  };
  const fallen = [...runs.filter(isElsewhere(messages)), ...messages];
  return [...fallen.filter(isElsewhere(listed)), ...listed];
}

/** What tells two entries apart. */
function idOf({ text }: Entry): string {
  return outlineOf(text).eventId ?? text;
}

/** Groups lists by how long they are likely to be, judged by their newest entries. */
function* groupsOf(heads: readonly Found[]): Generator<string[], void, undefined> {
  let group: string[] = [];
  let length = 0;
  for (const { key, values } of heads) {
    const expected = ENTRIES_PER_LIST * (values[0]?.length ?? 0);
    if (group.length > 0 && length + expected > LENGTH_AT_ONCE) {
      yield group;
      group = [];
      length = 0;
    }
    group.push(key);
    length += expected;
  }
  if (group.length > 0) yield group;
}

/** Entries of the same time stay in their order. */
function byTime(entries: readonly Entry[]): Entry[] {
  return entries
    .map((entry) => ({ entry, time: outlineOf(entry.text).time?.getTime() ?? 0 }))
    .sort((a, b) => a.time - b.time)
    .map(({ entry }) => entry);
}

function entriesOf({ key, values }: Found): Entry[] {
  return values.map((text) => ({ text, place: key }));
}

function asUnreadable({ key, isWrongType }: Found): UnreadableEntry[] {
  if (!isWrongType) return [];
  return [{ reason: 'unreadable_key', detail: 'holds another kind of value', place: key, text: key }];
}

function userOf(list: string): string {
  return list.slice(LIST_START.length, -LIST_END.length).toLowerCase();
}
