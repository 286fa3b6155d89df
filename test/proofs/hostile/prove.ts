import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSchema } from 'graphql';
import { type Finding, Holding, type ProofOptions } from '../proof-command.ts';
import { proveCloseCodes } from './close-codes.ts';
import { proveConnections } from './connections.ts';
import { proveInputs } from './inputs.ts';
import { proveNoLeaks } from './leaks.ts';
import { findingOf, type Line } from './line.ts';
import type { Sizes } from './sizes.ts';
import { startTarget, type Target } from './target.ts';

/** What `only` can name. */
export const proofs = ['inputs', 'leaks', 'connections', 'codes'] as const;

/** Holds each promise against what hostile clients do, one after another. Returns whether all are kept. */
export async function prove(options: ProofOptions<Sizes>): Promise<boolean> {
  const { seed, sizes } = options;
  const schema = buildSchema(readFileSync(join(import.meta.dirname, '../../../schema.graphql'), 'utf8'));
  const holding = new Holding<(typeof proofs)[number]>(options);
  await holding.hold('inputs', () => against((target) => proveInputs({ target, schema, sizes, seed })));
  await holding.hold('leaks', async () => findingOf(await proveNoLeaks(sizes)));
  await holding.hold('connections', () => against((target) => proveConnections(target, sizes)));
  await holding.hold('codes', () => against((target) => proveCloseCodes(target, sizes.patienceMs)));
  return holding.isKept;
}

/** Attacks a server of its own. */
async function against(attack: (target: Target) => Promise<Line>): Promise<Finding> {
  const target = await startTarget();
  try {
    return findingOf(await attack(target));
  } finally {
    await target.remove();
  }
}
