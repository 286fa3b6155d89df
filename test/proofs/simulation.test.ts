import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** Runs `npm run simulate`, whose clocks have no place in a process that others use. @returns what it prints */
async function simulate(...args: readonly string[]): Promise<{ readonly stdout: string; readonly code: number }> {
  const command = ['--import', 'tsx', 'test/simulation/run.ts', ...args];
  const { stdout, code = 0 } = (await promisify(execFile)(process.execPath, command, { cwd: root }).catch(
    (error: { stdout: string; code: number }) => error,
  )) as { stdout: string; code?: number };
  return { stdout, code };
}

test('2,000 schedules of a fresh seed violate no promise of the delivery (`npm run simulate` runs 10,000)', async () => {
  const { stdout, code } = await simulate('--schedules', '2000');
  process.stdout.write(stdout);
  expect(stdout).toContain('2000 schedules, ');
  expect(code, stdout).toBe(0);
}, 600_000);

test('a schedule is the same whenever its seed is run, and is told as a story', async () => {
  const [once, again, other] = await Promise.all([
    simulate('--seed', '7'),
    simulate('--seed', '7'),
    simulate('--seed', '8'),
  ]);
  expect(once).toEqual(again);
  expect(once.stdout).toMatch(/0\.000 s {2}instance 1: starts[\s\S]*\nseed 7: \d+ events, \d+ faults, 0 violations\n$/);
  expect(other.stdout).not.toEqual(once.stdout);
});

test('a wrong number and an unknown option are refused', async () => {
  expect(await simulate('--schedules', 'many')).toMatchObject({ code: 2 });
  expect((await simulate('--help')).stdout).toContain('npm run simulate -- --seed SEED');
});
