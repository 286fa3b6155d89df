import type { ErrorCode } from '../errors.ts';
import type { Door } from '../gate/rate-limits.ts';
import { durationBounds, Histogram } from '../lib/histogram.ts';

/** How a request has ended: well, with an error, or `CUT` as its client has left. */
export type Ending = 'OK' | 'CUT' | ErrorCode;

/** All requests of one operation at one door. */
export interface CountedRequests {
  readonly door: Door;
  readonly operation: string;
  readonly endings: ReadonlyMap<Ending, number>;
  /** In seconds; of streams, which take as long as their readers stay, there are none. */
  readonly durations: Histogram;
}

interface Counted extends CountedRequests {
  readonly endings: Map<Ending, number>;
}

/** How many requests have ended, and how. Operations are named by what the server has, never by what clients call them. */
export class RequestCounts {
  readonly #byDoor = new Map<Door, Map<string, Counted>>();

  /** @param seconds what it took; undefined for a stream */
  add(door: Door, operation: string, ending: Ending, seconds: number | undefined): void {
    const counted = this.#byDoor.get(door)?.get(operation) ?? this.#begin(door, operation);
    counted.endings.set(ending, (counted.endings.get(ending) ?? 0) + 1);
    if (seconds !== undefined) counted.durations.add(seconds);
  }

  get all(): readonly CountedRequests[] {
    return [...this.#byDoor.values()].flatMap((operations) => [...operations.values()]);
  }

  #begin(door: Door, operation: string): Counted {
    const counted = { door, operation, endings: new Map(), durations: new Histogram(durationBounds) };
    const operations = this.#byDoor.get(door) ?? new Map<string, Counted>();
    operations.set(operation, counted);
    this.#byDoor.set(door, operations);
    return counted;
  }
}
