import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

const root = join(import.meta.dirname, '../..');

/**
 * The last commit of the release before this one: its databases have no rotation of keys, no uses of keys and no audit log. It
 * needs the packages that this release has.
 */
const earlierRelease = '635224de4c8e';

/** Whether the history has it, which a shallow clone and an unpacked archive do not; that is said loudly. */
export function hasEarlierRelease(): boolean {
  const found = spawnSync('git', ['cat-file', '-e', `${earlierRelease}^{commit}`], { cwd: root, stdio: 'ignore' });
  if (found.status === 0) return true;
  process.stderr.write(
    `\n*** NO COMMIT ${earlierRelease} IN THIS CLONE: tests beside the earlier release are SKIPPED ***\n\n`,
  );
  return false;
}

/** Lays the earlier release out in a folder that goes with the test, ready to run. */
export function layOutEarlierRelease(): string {
  const folder = mkdtempSync(join(tmpdir(), 'synclog-earlier-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const files = ['src', 'prisma', 'prisma.config.ts', 'package.json', 'schema.graphql', 'tsconfig.json'];
  const archive = execFileSync('git', ['archive', earlierRelease, ...files], { cwd: root, maxBuffer: 100_000_000 });
  execFileSync('tar', ['-x', '-C', folder], { input: archive });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  execFileSync('npm', ['run', '--silent', 'generate'], { cwd: folder, stdio: 'ignore' });
  return folder;
}
