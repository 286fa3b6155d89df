import type { Viewer } from '../../auth/viewer.ts';
import type { Admitted } from '../../gate/admit.ts';
import type { Spending } from '../../graphql/context.ts';
import type { Basis } from '../../graphql/reads.ts';

/** One request of the REST door, behind admission. */
export class Visit {
  readonly viewer: Viewer;
  readonly address: string;
  readonly spending: Spending;
  /** Whether nothing is answered but the head: the request was HEAD. */
  readonly isOfHead: boolean;
  readonly #bases: (Basis | undefined)[] = [];
  #begunAt: number | undefined;
  #asked = 0;

  constructor({ viewer, address, spending }: Admitted, isOfHead = false) {
    this.viewer = viewer;
    this.address = address;
    this.spending = spending;
    this.isOfHead = isOfHead;
  }

  /** When the first document began to run, by `performance.now()`: they have the time of one operation together. */
  get begunAt(): number {
    this.#begunAt ??= performance.now();
    return this.#begunAt;
  }

  /** One more document costs so many items. @returns what those before it have cost */
  ask(items: number): number {
    const before = this.#asked;
    this.#asked += items;
    return before;
  }

  /** A document was run. @param basis what its result rests on, if that can be told */
  restsOn(basis: Basis | undefined): void {
    this.#bases.push(basis);
  }

  /** What the answer rests on; undefined when that cannot be told, or when nothing was run for it. */
  get basis(): Basis | undefined {
    const known = this.#bases.filter((basis) => basis !== undefined);
    return known.length > 0 && known.length === this.#bases.length ? known.flat() : undefined;
  }
}
