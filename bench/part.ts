import type { FilledDatabase, Provider } from './data/databases.ts';
import type { Progress } from './install.ts';
import type { Options } from './options.ts';
import type { Comparison } from './report/comparison.ts';

/** What a part works with. */
export interface Bench {
  readonly options: Options;
  readonly say: Progress;
  /** Adds the database to those that the header names. */
  uses(database: FilledDatabase): void;
}

/** A part of the bench: it measures its workloads on one database, which it makes and removes. */
export type Part = (provider: Provider, bench: Bench) => Promise<Comparison[]>;
