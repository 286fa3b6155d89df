import { execFileSync, spawnSync } from 'node:child_process';

/** Whether Prometheus is on the path. In CI it has to be; elsewhere its absence is said loudly. */
export const hasPrometheus = findPrometheus();

function findPrometheus(): boolean {
  try {
    for (const program of ['promtool', 'prometheus']) execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    if (process.env.CI)
      throw new Error('promtool and prometheus are not on the path, and in CI their tests may not be skipped');
    process.stderr.write(
      '\n*** NO promtool AND prometheus ON THE PATH: what they check is SKIPPED (apt-get install prometheus) ***\n\n',
    );
    return false;
  }
}

/** What `promtool` says with these arguments, and its exit status. */
export function promtool(
  args: readonly string[],
  input = '',
): { readonly status: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' });
  return { status, said: stdout + stderr };
}
