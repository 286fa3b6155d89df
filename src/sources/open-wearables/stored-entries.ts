import type { Redis } from 'ioredis';
import type { UnreadableEntry } from '../../intake/quarantine.ts';
import { type Entry, eventIdIn } from './read-entry.ts';

/** What Open Wearables keeps in Redis; see its sync-status service. */
const LISTS = 'sync:status:user:*:recent';
const RUNS = 'sync:status:run:*';
/** A list is cut to its newest entries. */
const ENTRIES_PER_LIST = 200;

/** Keys that SCAN looks at in one call, and values that are asked for together. */
const SCAN_COUNT = 500;
const LISTS_AT_ONCE = 10;
const VALUES_AT_ONCE = 500;

/** Some of what is stored. */
export interface StoredEntries {
  /** Keys that were read. */
  readonly keys: number;
  /** Oldest first for each user. */
  readonly entries: readonly Entry[];
  /** Keys that are of another kind than they should be. */
  readonly unreadable: readonly UnreadableEntry[];
}

/** The lists of all users, a few at a time. */
export async function* readAllLists(redis: Redis): AsyncGenerator<StoredEntries, void, undefined> {
  for await (const keys of scan(redis, LISTS)) yield* readLists(redis, keys);
}

/** The lists under these keys, a few at a time. */
export async function* readLists(
  redis: Redis,
  keys: readonly string[],
): AsyncGenerator<StoredEntries, void, undefined> {
  for (const some of inPieces(keys, LISTS_AT_ONCE))
    yield read(some, await execute(redis, some, (pipeline, key) => pipeline.lrange(key, 0, ENTRIES_PER_LIST - 1)));
}

/** The newest event of each run that is still known, among them of runs that have fallen off their user's list. */
export async function* readRuns(redis: Redis): AsyncGenerator<StoredEntries, void, undefined> {
  for await (const keys of scan(redis, RUNS))
    for (const some of inPieces(keys, VALUES_AT_ONCE))
      yield read(some, await execute(redis, some, (pipeline, key) => pipeline.get(key)));
}

/** Keys of lists of which the newest entry is none of the known events. */
export async function* findChangedLists(
  redis: Redis,
  known: (ids: readonly string[]) => Promise<ReadonlySet<string>>,
): AsyncGenerator<string[], void, undefined> {
  for await (const keys of scan(redis, LISTS))
    for (const some of inPieces(keys, VALUES_AT_ONCE)) {
      const newest = await execute(redis, some, (pipeline, key) => pipeline.lrange(key, 0, 0));
      const ids = newest.map(({ values: [text] }) => (text === undefined ? undefined : eventIdIn(text)));
      const held = await known(ids.filter((id) => id !== undefined));
      yield some.filter((_, index) => {
        const id = ids[index];
        return newest[index]?.values.length !== 0 && !(id !== undefined && held.has(id));
      });
    }
}

type Pipeline = ReturnType<Redis['pipeline']>;

interface Value {
  /** The entries, newest first. */
  readonly values: readonly string[];
  readonly isWrongType: boolean;
}

/** Asks for the values of some keys at once. @throws what Redis says, but for keys of another kind */
async function execute(
  redis: Redis,
  keys: readonly string[],
  ask: (pipeline: Pipeline, key: string) => void,
): Promise<Value[]> {
  const pipeline = redis.pipeline();
  for (const key of keys) ask(pipeline, key);
  const answers = (await pipeline.exec()) ?? [];
  return answers.map(([error, answer]) => {
    const isWrongType = error?.message.startsWith('WRONGTYPE') === true;
    if (error && !isWrongType) throw error;
    const values = Array.isArray(answer) ? answer : [answer];
    return { values: values.filter((value) => typeof value === 'string'), isWrongType };
  });
}

function read(keys: readonly string[], answers: readonly Value[]): StoredEntries {
  return {
    keys: keys.length,
    entries: answers.flatMap(({ values }, index) =>
      values.toReversed().map((text) => ({ text, place: keys[index] ?? '' })),
    ),
    unreadable: keys
      .filter((_, index) => answers[index]?.isWrongType)
      .map((key) => ({ reason: 'unreadable_key', detail: 'holds another kind of value', place: key, text: key })),
  };
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
