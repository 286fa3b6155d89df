import type { Redis } from 'ioredis';
import { inPieces } from '../../lib/in-pieces.ts';

/** Keys that SCAN looks at in one call. */
const SCAN_COUNT = 500;

/** What Redis has under a key. */
export interface Found {
  readonly key: string;
  /** A text, or the entries of a list; nothing if there is no such key or it is of another kind. */
  readonly values: readonly string[];
  readonly isWrongType: boolean;
}

type Pipeline = ReturnType<Redis['pipeline']>;

/** Asks for several keys at once, and answers in their order. @throws what Redis says, but for keys of another kind */
export async function readKeys(
  redis: Redis,
  keys: readonly string[],
  ask: (pipeline: Pipeline, key: string) => void,
): Promise<Found[]> {
  const pipeline = redis.pipeline();
  for (const key of keys) ask(pipeline, key);
  const answers = (await pipeline.exec()) ?? [];
  return answers.map(([error, answer], index) => {
    const isWrongType = error?.message.startsWith('WRONGTYPE') === true;
    if (error && !isWrongType) throw error;
    const values = Array.isArray(answer) ? answer : [answer];
    return { key: keys[index] ?? '', values: values.filter((value) => typeof value === 'string'), isWrongType };
  });
}

/** Every key that matches, some of them twice, `size` at a time at most. */
export async function* scanKeys(
  redis: Redis,
  pattern: string,
  size: number,
): AsyncGenerator<string[], void, undefined> {
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT);
    cursor = next;
    yield* inPieces(keys, size);
  } while (cursor !== '0');
}
