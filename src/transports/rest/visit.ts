import type { Viewer } from '../../auth/viewer.ts';
import type { Basis, Root } from '../../graphql/reads.ts';

/** One request of the REST door, behind admission. */
export class Visit {
  readonly viewer: Viewer;
  readonly #roots: Root[] = [];
  #isTraced = false;
  #isLost = false;

  constructor(viewer: Viewer) {
    this.viewer = viewer;
  }

  /** A document was run. @param basis what its result rests on, if that can be told */
  restsOn(basis: Basis | undefined): void {
    this.#isTraced = true;
    if (basis) this.#roots.push(...basis);
    else this.#isLost = true;
  }

  /** What the answer rests on; undefined when that cannot be told, or when nothing was run for it. */
  get basis(): Basis | undefined {
    return this.#isTraced && !this.#isLost ? this.#roots : undefined;
  }
}
