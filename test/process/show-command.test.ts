import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createDatabase, provider } from '../support/database.ts';
import { unsetSettings } from '../support/unset-settings.ts';

const root = join(import.meta.dirname, '../..');

/** The command as a process of its own. */
function show(args: readonly string[], settings: Readonly<Record<string, string>> = {}) {
  return new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) =>
    execFile(
      process.execPath,
      ['--import', 'tsx', 'test/show/command.ts', ...args],
      { cwd: root, env: { ...process.env, ...unsetSettings, ...settings } },
      (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }),
    ),
  );
}

test('every connection is shown as an operator should be told, and as the page tells it', async () => {
  const { url, drop } = await createDatabase();
  onTestFinished(drop);
  const onPostgres = provider === 'postgresql';
  const { code, stdout, stderr } = await show(
    ['completeness', '--json', '--database', onPostgres ? 'postgres' : 'sqlite'],
    onPostgres ? { TEST_DATABASE_URL: url } : {},
  );
  expect(stderr).toBe('');
  const shown: ShownMoment[] = JSON.parse(stdout);
  expect(shown.map(({ says }) => says)).toEqual(shown.map(({ expected }) => expected));
  expect(code).toBe(0);
  expect(shown).toHaveLength(12);

  const page = readFileSync(join(root, 'docs/completeness.md'), 'utf8');
  const rows = shown.map(
    ({ at, happened, says }) => `| ${at} | ${happened} | ${says.verdict} | ${says.actor ? `\`${says.actor}\`` : '—'} |`,
  );
  expect(page.split('\n').filter((line) => line.startsWith('| day '))).toEqual(rows);
}, 180_000);

interface ShownMoment {
  readonly at: string;
  readonly happened: string;
  readonly says: { readonly verdict: string; readonly actor: string | null };
  readonly expected: object;
}

test.each([[[]], [['connections']], [['completeness', 'completeness']], [['completeness', '--database', 'mysql']]])(
  'there is nothing to show for %j',
  async (args) => {
    expect(await show(args)).toEqual({
      ...{ code: 2, stdout: '' },
      stderr: expect.stringMatching(/^show: .+ \(see --help\)\n$/),
    });
  },
);
