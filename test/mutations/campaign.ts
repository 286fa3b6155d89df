import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryFolder } from '../support/memory-folder.ts';
import { createCompiler } from './compile.ts';
import { copyTree, plant } from './copy.ts';
import type { ListedFault } from './fault.ts';
import { OPEN_TO_ALL, type Outcome, runTests } from './run-tests.ts';

/** What became of a fault. Only `caught` is good: an `invalid` one is no program that works. */
export interface Verdict {
  readonly fault: ListedFault;
  readonly kind: 'caught' | 'survived' | 'invalid';
  /** Which test noticed, or why the fault is none. */
  readonly by: string;
  readonly seconds: number;
}

interface CampaignOptions {
  readonly faults: readonly ListedFault[];
  readonly workers: number;
  /** Runs the named tests without a fault first: what fails there would notice everything. */
  readonly isProbed: boolean;
  readonly signal: AbortSignal;
  readonly onVerdict: (verdict: Verdict) => void;
  readonly say: (line: string) => void;
}

/** Plants the faults one at a time in copies of the working tree. @throws Error when tests fail without any fault */
export async function plantAll({ faults, workers, isProbed, signal, onVerdict, say }: CampaignOptions): Promise<void> {
  const compile = createCompiler();
  const working: ListedFault[] = [];
  for (const fault of faults) {
    const why = compile(fault);
    if (why === undefined) working.push(fault);
    else onVerdict({ fault, kind: 'invalid', by: why, seconds: 0 });
  }
  const scratch = mkdtempSync(join(memoryFolder() ?? tmpdir(), 'synclog-mutate-'));
  chmodSync(scratch, OPEN_TO_ALL);
  try {
    const copies = Array.from({ length: Math.min(workers, working.length) }, (_, at) =>
      join(scratch, `${at}`, 'synclog'),
    );
    for (const copy of copies) {
      mkdirSync(copy, { recursive: true });
      copyTree(copy);
    }
    if (isProbed) await probe(copies, working, { signal, say });
    const queue = [...working];
    const work = async (copy: string) => {
      for (let fault = queue.shift(); fault && !signal.aborted; fault = queue.shift()) {
        const verdict = await judge(copy, fault, signal);
        if (!signal.aborted) onVerdict(verdict);
      }
    };
    await Promise.all(copies.map(work));
  } finally {
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function judge(copy: string, fault: ListedFault, signal: AbortSignal): Promise<Verdict> {
  const begun = performance.now();
  const mend = plant(copy, fault);
  let outcome: Outcome;
  try {
    outcome = await runTests(copy, { ...fault, bail: true }, signal);
  } finally {
    mend();
  }
  const seconds = (performance.now() - begun) / 1000;
  if (outcome.kind === 'passed') return { fault, kind: 'survived', by: fault.tests.join(', '), seconds };
  if (outcome.kind === 'failed') return { fault, kind: 'caught', by: outcome.by, seconds };
  return { fault, kind: 'invalid', by: outcome.why, seconds };
}

async function probe(
  copies: readonly string[],
  faults: readonly ListedFault[],
  { signal, say }: Pick<CampaignOptions, 'signal' | 'say'>,
): Promise<void> {
  const runs = (['sqlite', 'postgresql'] as const).flatMap((project) => {
    const files = [
      ...new Set(faults.filter((fault) => fault.project === project).flatMap(({ tests }) => tests)),
    ].sort();
    const shares = copies.map((_, at) => files.filter((_, index) => index % copies.length === at));
    return shares.flatMap((tests) => (tests.length > 0 ? { tests, project } : []));
  });
  say(`without a fault first: ${new Set(runs.flatMap(({ tests }) => tests)).size} test files`);
  const work = async (copy: string) => {
    for (let run = runs.shift(); run && !signal.aborted; run = runs.shift()) {
      const outcome = await runTests(copy, { ...run, bail: false }, signal);
      if (signal.aborted || outcome.kind === 'passed') continue;
      throw new Error(`tests fail without any fault: ${outcome.kind === 'failed' ? outcome.by : outcome.why}`);
    }
  };
  await Promise.all(copies.map(work));
}
