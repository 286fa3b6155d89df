import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { copyTree, plant } from '../mutations/copy.ts';
import type { Fault } from '../mutations/fault.ts';
import { memoryFolder } from '../support/memory-folder.ts';

const run = promisify(execFile);

/**
 * Plants one fault after the other in a copy of the product and runs schedules there until one violates a promise.
 * @returns how many faults no schedule has found
 */
export async function findPlanted(
  faults: readonly Fault[],
  { from, schedules }: { readonly from: number; readonly schedules: number },
  say: (line: string) => void,
): Promise<number> {
  const scratch = mkdtempSync(join(memoryFolder() ?? tmpdir(), 'synclog-simulate-'));
  let missed = 0;
  try {
    copyTree(scratch);
    for (const fault of faults) {
      const takeBack = plant(scratch, fault);
      const found = await firstViolation(scratch, from, schedules).finally(takeBack);
      if (!found) missed += 1;
      say(`${found ?? `NOT FOUND in ${schedules} schedules`}: ${fault.breaks}`);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  say(`${faults.length - missed} of ${faults.length} planted faults found`);
  return missed;
}

async function firstViolation(folder: string, from: number, schedules: number): Promise<string | undefined> {
  const flags = ['--from', String(from), '--schedules', String(schedules), '--first'];
  const args = ['--import', 'tsx', 'test/simulation/run.ts', ...flags];
  const failed = await run(process.execPath, args, { cwd: folder }).catch((error: { stdout: string }) => error);
  const [, seed = '', what = ''] = /^VIOLATED, seed (\d+): (.*)$/m.exec(failed.stdout) ?? [];
  if (seed === '') return undefined;
  return `found after ${String(Number(seed) - from + 1).padStart(5)}, seed ${seed} (${what})`;
}
