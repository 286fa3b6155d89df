import type { Redis } from 'ioredis';
import type { UnreadableEntry } from '../../intake/quarantine.ts';
import { type Entry, outlineOf } from './read-entry.ts';

/** What Open Wearables keeps in Redis of each user; see its sync-status service. */
const LISTS = 'sync:status:user:*:recent';
const [LIST_START = '', LIST_END = ''] = LISTS.split('*');
const runsOf = (userId: string) => `sync:status:user:${userId}:runs`;
const runKey = (runId: string) => `sync:status:run:${runId}`;
/** A list is cut to its newest entries. */
const ENTRIES_PER_LIST = 200;

/** Keys that SCAN looks at in one call, and what is asked for together. */
const SCAN_COUNT = 500;
const USERS_AT_ONCE = 10;
const VALUES_AT_ONCE = 100;
/** Entries of each list that are asked for before it is known how long they are, and how much then comes in one answer. */
const FIRST_ENTRIES = 10;
const ANSWER_LENGTH = 1_048_576;

/** Some of what is stored. */
export interface StoredEntries {
  /** Users that were read. */
  readonly users: number;
  /** Oldest first for each user. */
  readonly entries: readonly Entry[];
  /** Keys that are of another kind than they should be. */
  readonly unreadable: readonly UnreadableEntry[];
}

/** Messages of some users that came before anything is read, in their order. */
type Messages = ReadonlyMap<string | undefined, readonly Entry[]>;

/** What is stored of all users, a few at a time. */
export async function* readAllUsers(redis: Redis, messages: Messages): AsyncGenerator<StoredEntries, void, undefined> {
  for await (const lists of scan(redis, LISTS)) yield* readUsers(redis, lists, messages);
}

/**
 * What is stored of the users with these lists, a few at a time: first what has fallen off a user's list, as far as it
 * is the newest event of a run or among the messages; then the list.
 */
export async function* readUsers(
  redis: Redis,
  lists: readonly string[],
  messages: Messages = new Map(),
): AsyncGenerator<StoredEntries, void, undefined> {
  for (const some of inPieces(lists, USERS_AT_ONCE)) {
    const users = some.map((key) => ({ key, userId: key.slice(LIST_START.length, -LIST_END.length) }));
    // In this order: a run is in the set only once its event is in the list. If it is not there, it has fallen off.
    const runKeys = users.map(({ userId }) => runsOf(userId));
    const runs = await execute(redis, runKeys, (pipeline, key) => pipeline.smembers(key));
    const found = await readLists(redis, some);
    const fallen = await readFallenRuns(redis, users, runs, found);
    // A run that has gone on since its list was read has not fallen off.
    const again = users.filter((_, index) => fallen[index]?.length).map(({ key }) => key);
    const grown = new Map(zip(again, await readLists(redis, again)));
    yield {
      users: users.length,
      entries: users.flatMap(({ key, userId }, index) => {
        const read = new Set([
          ...(found[index]?.values.toReversed() ?? []),
          ...(grown.get(key)?.values.toReversed() ?? []),
        ]);
        const before = [...(messages.get(userId) ?? []), ...(fallen[index] ?? [])].filter(
          ({ text }) => !read.has(text),
        );
        return [...byTime(before), ...[...read].map((text) => ({ text, place: key }))];
      }),
      unreadable: [...zip(runKeys, runs), ...zip(some, found)]
        .filter(([, { isWrongType }]) => isWrongType)
        .map(([key]) => ({ reason: 'unreadable_key', detail: 'holds another kind of value', place: key, text: key })),
    };
  }
}

/** Lists of which the newest entry is not settled. */
export async function* findChangedLists(
  redis: Redis,
  areSettled: (entries: readonly Entry[]) => Promise<readonly boolean[]>,
): AsyncGenerator<string[], void, undefined> {
  for await (const keys of scan(redis, LISTS))
    for (const some of inPieces(keys, VALUES_AT_ONCE)) {
      const answers = await execute(redis, some, (pipeline, key) => pipeline.lrange(key, 0, 0));
      const newest = zip(some, answers).flatMap(([place, { values }]) => values.map((text) => ({ text, place })));
      const settled = await areSettled(newest);
      yield newest.filter((_, index) => !settled[index]).map(({ place }) => place);
    }
}

interface Value {
  /** What was found; of a list newest first. */
  readonly values: readonly string[];
  readonly isWrongType: boolean;
}

/** The newest event of each run that is still known and not in the user's list, for each user. */
async function readFallenRuns(
  redis: Redis,
  users: readonly { readonly userId: string }[],
  runs: readonly Value[],
  lists: readonly Value[],
): Promise<Entry[][]> {
  const wanted = users.flatMap(({ userId }, index) => {
    const listed = new Set(lists[index]?.values.map((text) => outlineOf(text).runId));
    return (runs[index]?.values ?? [])
      .filter((id) => !listed.has(id))
      .map((id) => ({ userId, index, key: runKey(id) }));
  });
  const fallen: Entry[][] = users.map(() => []);
  for (const some of inPieces(wanted, VALUES_AT_ONCE)) {
    const keys = some.map(({ key }) => key);
    const answers = await execute(redis, keys, (pipeline, key) => pipeline.get(key));
    for (const [{ userId, index, key }, { values }] of zip(some, answers))
      for (const text of values) if (outlineOf(text).userId === userId) fallen[index]?.push({ text, place: key });
  }
  return fallen;
}

/** All of some lists. One that grows meanwhile moves on under the reader, who meets an entry twice but misses none. */
async function readLists(redis: Redis, keys: readonly string[]): Promise<Value[]> {
  const lists = keys.map((key) => ({
    ...{ key, found: new Set<string>(), isWrongType: false, next: 0 },
    ...{ atOnce: FIRST_ENTRIES, length: ANSWER_LENGTH / FIRST_ENTRIES / USERS_AT_ONCE },
  }));
  for (let open = lists; open.length > 0; open = open.filter(({ next }) => next < ENTRIES_PER_LIST)) {
    const asked = upTo(ANSWER_LENGTH, open);
    const answers = await execute(redis, asked, (pipeline, { key, next, atOnce }) =>
      pipeline.lrange(key, next, next + atOnce - 1),
    );
    for (const [list, { values, isWrongType }] of zip(asked, answers)) {
      for (const text of values) list.found.add(text);
      list.isWrongType = isWrongType;
      list.next = values.length < list.atOnce ? ENTRIES_PER_LIST : list.next + list.atOnce;
      list.length = Math.max(1, ...values.map((text) => text.length));
      const fitting = Math.max(1, Math.floor(ANSWER_LENGTH / list.length));
      list.atOnce = Math.min(fitting, ENTRIES_PER_LIST - list.next);
    }
  }
  return lists.map(({ found, isWrongType }) => ({ values: [...found], isWrongType }));
}

/** The first of some lists, at least one, as far as so much is likely to come in answer. */
function upTo<T extends { readonly atOnce: number; readonly length: number }>(most: number, lists: readonly T[]): T[] {
  const asked: T[] = [];
  let expected = 0;
  for (const list of lists) {
    expected += list.atOnce * list.length;
    if (asked.length > 0 && expected > most) break;
    asked.push(list);
  }
  return asked;
}

type Pipeline = ReturnType<Redis['pipeline']>;

/** Asks for several things at once. @throws what Redis says, but for keys of another kind */
async function execute<T>(
  redis: Redis,
  items: readonly T[],
  ask: (pipeline: Pipeline, item: T) => void,
): Promise<Value[]> {
  const pipeline = redis.pipeline();
  for (const item of items) ask(pipeline, item);
  const answers = (await pipeline.exec()) ?? [];
  return answers.map(([error, answer]) => {
    const isWrongType = error?.message.startsWith('WRONGTYPE') === true;
    if (error && !isWrongType) throw error;
    const values = Array.isArray(answer) ? answer : [answer];
    return { values: values.filter((value) => typeof value === 'string'), isWrongType };
  });
}

/** By the producer's clock; those of the same time in the order in which they are. */
function byTime(entries: readonly Entry[]): Entry[] {
  return entries
    .map((entry) => ({ entry, time: outlineOf(entry.text).time?.getTime() ?? 0 }))
    .sort((a, b) => a.time - b.time)
    .map(({ entry }) => entry);
}

/** Every key that matches, some of them twice. */
async function* scan(redis: Redis, pattern: string): AsyncGenerator<string[], void, undefined> {
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT);
    cursor = next;
    yield keys;
  } while (cursor !== '0');
}

function* inPieces<T>(items: readonly T[], size: number): Generator<T[], void, undefined> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}

/** Each item of the first list with the one at the same place in the second, as far as there is one. */
function zip<A, B>(items: readonly A[], others: readonly B[]): [A, B][] {
  return items.flatMap((item, index) => {
    const other = others[index];
    return other === undefined ? [] : [[item, other] as [A, B]];
  });
}
