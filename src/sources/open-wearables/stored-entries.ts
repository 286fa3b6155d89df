import type { Redis } from 'ioredis';
import type { UnreadableEntry } from '../quarantine.ts';
import type { Entry } from '../record-entries.ts';
import { outlineOf } from './read-entry.ts';
import { type Found, inPieces, readKeys, scanKeys } from './redis-reads.ts';

/** What Open Wearables keeps in Redis: the newest events of each user, and the newest event of each run of a day. */
const LISTS = 'sync:status:user:*:recent';
const RUNS = 'sync:status:run:*';
const [LIST_START = '', LIST_END = ''] = LISTS.split('*');
/** A list is cut to its newest entries. */
const ENTRIES_PER_LIST = 200;

/** What is asked for together. */
const USERS_AT_ONCE = 10;
const VALUES_AT_ONCE = 100;
/** Lists are read together as far as they are likely to have so many characters in all. */
const LENGTH_AT_ONCE = 4_194_304;

/** Some of what is stored. */
export interface StoredEntries {
  /** Users that were read. */
  readonly users: number;
  /** Oldest first for each user. */
  readonly entries: readonly Entry[];
  /** Keys that are of another kind than they should be. */
  readonly unreadable: readonly UnreadableEntry[];
}

/** What may have fallen off the lists of some users, by their ids. */
interface Candidates {
  /** Keys of runs. */
  readonly runs: ReadonlyMap<string, readonly string[]>;
  /** Messages that came before anything is read, in their order. */
  readonly messages: ReadonlyMap<string | undefined, readonly Entry[]>;
}

/**
 * Everything that is stored, a few users at a time: first what has fallen off a user's list, as far as it is the newest
 * event of a run or among the messages; then the list.
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
  // Their lists are gone.
  for (const users of inPieces([...runs.keys()], USERS_AT_ONCE))
    yield* readUsers(
      redis,
      users.map((userId) => `${LIST_START}${userId}${LIST_END}`),
      { runs, messages },
    );
}

/** What is stored of the users with these lists, in pieces of which each fits into memory. */
export async function* readUsers(
  redis: Redis,
  lists: readonly string[],
  candidates: Candidates = { runs: new Map(), messages: new Map() },
): AsyncGenerator<StoredEntries, void, undefined> {
  for (const some of inPieces(lists, USERS_AT_ONCE))
    for (const fitting of groupsOf(await readKeys(redis, some, (pipeline, key) => pipeline.lrange(key, 0, 0)))) {
      // In this order: an event stands in the list before it is a run's newest. If it is not there, it has fallen off.
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

/** Lists of which the newest entry is not settled. */
export async function* findChangedLists(
  redis: Redis,
  areSettled: (entries: readonly Entry[]) => Promise<readonly boolean[]>,
): AsyncGenerator<string[], void, undefined> {
  for await (const keys of scanKeys(redis, LISTS, VALUES_AT_ONCE)) {
    const heads = await readKeys(redis, keys, (pipeline, key) => pipeline.lrange(key, 0, 0));
    const newest = heads.flatMap(({ key, values }) => values.map((text) => ({ text, place: key })));
    const settled = await areSettled(newest);
    yield newest.filter((_, index) => !settled[index]).map(({ place }) => place);
  }
}

/** Sorts the keys of the runs by user. Yields those that do not tell whose they are, for whoever can say why. */
async function* findRuns(redis: Redis, byUser: Map<string, string[]>): AsyncGenerator<StoredEntries, void, undefined> {
  for await (const keys of scanKeys(redis, RUNS, VALUES_AT_ONCE)) {
    const found = await readKeys(redis, keys, (pipeline, key) => pipeline.get(key));
    const entries = found.flatMap(({ key, values }) => values.map((text) => ({ text, place: key })));
    const lost: Entry[] = [];
    for (const entry of entries) {
      const { userId } = outlineOf(entry.text);
      if (userId === undefined) lost.push(entry);
      else if (!byUser.get(userId)?.push(entry.place)) byUser.set(userId, [entry.place]);
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
    // A run's id may be another user's as well, and the newest event is then of either.
    for (const keys of inPieces(runs.get(userId) ?? [], VALUES_AT_ONCE))
      for (const { key, values } of await readKeys(redis, keys, (pipeline, each) => pipeline.get(each)))
        for (const text of values) if (outlineOf(text).userId === userId) entries.push({ text, place: key });
    byUser.set(userId, byTime(entries));
  }
  return byUser;
}

/** What has fallen off a list, and the list: oldest first, each once. */
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

/** Those of the same time stay in the order in which they are. */
function byTime(entries: readonly Entry[]): Entry[] {
  return entries
    .map((entry) => ({ entry, time: outlineOf(entry.text).time?.getTime() ?? 0 }))
    .sort((a, b) => a.time - b.time)
    .map(({ entry }) => entry);
}

function asUnreadable({ key, isWrongType }: Found): UnreadableEntry[] {
  if (!isWrongType) return [];
  return [{ reason: 'unreadable_key', detail: 'holds another kind of value', place: key, text: key }];
}

function userOf(list: string): string {
  return list.slice(LIST_START.length, -LIST_END.length).toLowerCase();
}
