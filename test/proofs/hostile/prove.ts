import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSchema } from 'graphql';
import { proveCloseCodes } from './close-codes.ts';
import { proveConnections } from './connections.ts';
import { proveInputs } from './inputs.ts';
import { proveNoLeaks } from './leaks.ts';
import { isKept, type Line, toText } from './line.ts';
import type { Sizes } from './sizes.ts';
import { startTarget, type Target } from './target.ts';

export interface ProofOptions {
  readonly seed: number;
  readonly sizes: Sizes;
  /** Parts of the promises' names; without any, all are proved. */
  readonly only?: readonly string[];
  readonly print: (line: string) => void;
  /** Told what is being proved. */
  readonly progress?: (text: string) => void;
}

/** What `only` can name. */
export const proofs = ['inputs', 'leaks', 'connections', 'codes'] as const;

/** Holds each promise against what hostile clients do, one after another. Returns whether all are kept. */
export async function prove({ seed, sizes, only = [], print, progress = () => {} }: ProofOptions): Promise<boolean> {
  const schema = buildSchema(readFileSync(join(import.meta.dirname, '../../../schema.graphql'), 'utf8'));
  let kept = true;
  let proved = 0;

  async function hold(name: (typeof proofs)[number], work: () => Promise<Line>): Promise<void> {
    if (only.length > 0 && !only.some((part) => name.includes(part))) return;
    proved += 1;
    progress(`${name} …`);
    const begun = performance.now();
    const line = await work();
    kept = isKept(line) && kept;
    print(`${toText(line)}, ${((performance.now() - begun) / 1000).toFixed(0)} s`);
    for (const wrong of line.wrong) print(`    ${wrong}`);
  }

  await hold('inputs', () => against((target) => proveInputs({ target, schema, sizes, seed })));
  await hold('leaks', () => proveNoLeaks(sizes));
  await hold('connections', () => against((target) => proveConnections(target, sizes)));
  await hold('codes', () => against((target) => proveCloseCodes(target, sizes.patienceMs)));
  return kept && proved > 0;
}

/** Attacks a server of its own. */
async function against(attack: (target: Target) => Promise<Line>): Promise<Line> {
  const target = await startTarget();
  try {
    return await attack(target);
  } finally {
    await target.remove();
  }
}
