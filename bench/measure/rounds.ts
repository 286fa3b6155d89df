import { load, type Shot } from './load.ts';
import { usageOf } from './process-usage.ts';

/** Somebody who answers a workload. */
export interface Contestant {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  /** What it is warmed up with. */
  readonly warmUp: readonly Shot[];
  /** Are these sent once each? Otherwise they are repeated for the time of the warm-up. */
  readonly warmUpOnce?: true;
  /**
   * What it is measured with in a round, each sent once; without it, `warmUp` is repeated.
   * @param amount how many requests it would answer in the time of a round
   */
  readonly fresh?: (round: number, amount: number) => readonly Shot[];
}

/** What a contestant's rounds came to, round by round. */
export interface Outcome {
  readonly name: string;
  /** CPU of the server for a request in microseconds. */
  readonly cpuMicros: readonly number[];
  readonly perSecond: readonly number[];
  readonly p50Ms: readonly number[];
  readonly p99Ms: readonly number[];
  readonly residentBytes: readonly number[];
}

/** How long things are measured. */
export interface Rounds {
  readonly rounds: number;
  /** Of each round. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
}

/** A round is no shorter than so many requests for each connection, however slow the server is. */
const FEWEST_REQUESTS = 4;

/** In turns, each round in the other direction than the last. */
export function* turns<T>(contestants: readonly T[], rounds: number): Generator<readonly [T, round: number]> {
  for (let round = 0; round < rounds; round += 1)
    for (const contestant of round % 2 ? contestants.toReversed() : contestants) yield [contestant, round];
}

/**
 * Warms everybody up, and then lets them serve in turns. A round is a number of requests that follows from the warm-up,
 * and not a time: requests that were cut off in the middle would cost CPU and not be counted.
 */
export async function inTurns(
  contestants: readonly Contestant[],
  { rounds, seconds, warmUpSeconds }: Rounds,
  { connections }: { readonly connections: number },
): Promise<Outcome[]> {
  const amounts = new Map<string, number>();
  for (const { name, url, warmUp, warmUpOnce } of contestants) {
    const time = warmUpOnce ? { requests: warmUp.length } : { seconds: warmUpSeconds };
    const { perSecond } = await load(url, warmUp, time, { connections });
    amounts.set(name, Math.max(Math.round(perSecond * seconds), FEWEST_REQUESTS * connections));
  }
  const outcomes = contestants.map(({ name }) => ({
    name,
    cpuMicros: [] as number[],
    perSecond: [] as number[],
    p50Ms: [] as number[],
    p99Ms: [] as number[],
    residentBytes: [] as number[],
  }));
  for (const [{ name, url, pid, warmUp, fresh }, round] of turns(contestants, rounds)) {
    const planned = amounts.get(name) ?? connections;
    const shots = fresh?.(round, planned) ?? warmUp;
    const amount = fresh ? shots.length : planned;
    const before = usageOf(pid);
    const { requests, perSecond, p50Ms, p99Ms } = await load(url, shots, { requests: amount }, { connections });
    const after = usageOf(pid);
    const own = outcomes.find((outcome) => outcome.name === name);
    own?.cpuMicros.push((after.cpuMicros - before.cpuMicros) / requests);
    own?.perSecond.push(perSecond);
    own?.p50Ms.push(p50Ms);
    own?.p99Ms.push(p99Ms);
    own?.residentBytes.push(after.residentBytes);
  }
  return outcomes;
}
