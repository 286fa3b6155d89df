import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** Runs the bench until it ends. Its packages are installed if they are not there; where that fails, stderr says so. */
function bench(...args: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  return new Promise((resolve) =>
    execFile(
      process.execPath,
      ['--import', 'tsx', 'bench/run.ts', ...args],
      { cwd: root, timeout },
      (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }),
    ),
  );
}

/** Half a minute before the test gives up, so that servers end with the bench. */
const timeout = 870_000;

/** The cells of the rows that name a workload. */
const workloadsIn = (markdown: string) =>
  [...markdown.matchAll(/^\| \*\*(\w+)\*\* (.*) \|$/gm)].map(([, id = '', rest = '']) => ({
    id,
    cells: rest.split(' | '),
  }));

describe('the bench', () => {
  test('says how it is used', async () => {
    const { code, stdout } = await bench('--help');
    expect(code).toBe(0);
    expect(stdout).toContain('npm run bench [-- WORD');
    expect(stdout).toContain('--subscribers  subscribers of one user');
  });

  test.each([
    [['riding'], '"riding" is none of reads, '],
    [['--rounds', 'many'], '--rounds takes a number above 0'],
    [['--laps', '3'], "Unknown option '--laps'"],
  ])('refuses %j and says what could be said', async (args, message) => {
    const { code, stderr } = await bench(...args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr).toContain('npm run bench [-- WORD');
  });

  // On Postgres, where no peer needs a native driver. It reads `/proc`, which other systems do not have.
  test.runIf(process.platform === 'linux')(
    'measures each workload beside its peer, with the goal in the same row',
    { timeout: 900_000 },
    async () => {
      const short = [
        '--rounds=1',
        '--seconds=0.05',
        '--users=20',
        '--subscribers=10',
        '--streams=10',
        '--followers=10',
      ];
      const worlds = ['--backlog=80', '--millions=0.002'];
      const { code, stdout, stderr } = await bench('postgresql', ...short, ...worlds);
      expect(code, stderr).toBe(0);
      const workloads = workloadsIn(stdout);
      expect(new Set(workloads.map(({ id }) => id))).toEqual(
        new Set(['R1', 'R2', 'R3', 'R4', 'R5', 'R6', 'W1', 'W2', 'F1', 'F2', 'F3', 'F4', 'S1', 'S2', 'Q1', 'Q2', 'Q3']),
      );
      for (const { id, cells } of workloads) {
        const [reached = '', goal = ''] = cells.slice(-2);
        expect(reached, id).toMatch(/^([✓✗] )?\*\*-?\d[\d.,]*(x| \w+(\/s)?)\*\*/);
        expect(goal, id).toMatch(/^[≤≥] \d/);
      }
      expect(stdout).toMatch(/^- PostgreSQL \d/m);
    },
  );
});
