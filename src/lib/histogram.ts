/** Counts values by size. To add one takes some ten nanoseconds, so that every request can. */
export class Histogram {
  /** The upper bounds, in ascending order; what is larger than the last is counted as well. */
  readonly bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = Array<number>(bounds.length + 1).fill(0);
  }

  /** How many values were within each bound and past the one before; the last one, past all of them. */
  get counts(): readonly number[] {
    return this.#counts;
  }

  /** Of all values. */
  get sum(): number {
    return this.#sum;
  }

  add(value: number): void {
    const { bounds } = this;
    let at = 0;
    while (at < bounds.length && value > (bounds[at] as number)) at += 1; // within the length
    this.#counts[at] = (this.#counts[at] as number) + 1; // there is one more than bounds
    this.#sum += value;
  }
}

/** For what takes from a part of a millisecond to ten seconds, in seconds. */
export const durationBounds: readonly number[] = [
  ...[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05],
  ...[0.1, 0.25, 0.5, 1, 2.5, 5, 10],
];
