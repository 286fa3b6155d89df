import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { newFileUrl } from '../support/database.ts';

/** Runs a script as a process of its own, with these environment variables, until it ends by itself. */
function run(
  script: string,
  args: readonly string[],
  settings: Readonly<Record<string, string>>,
): Promise<{ code: unknown; stdout: string; stderr: string }> {
  return new Promise((resolve) =>
    execFile(
      process.execPath,
      ['--import', 'tsx', join(import.meta.dirname, '../..', script), ...args],
      { env: { ...process.env, ...settings } },
      (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }),
    ),
  );
}

describe('a command', () => {
  test.each([
    ['src/main.ts', '--help', 0],
    ['src/main.ts', 'now', 2],
    ['src/cli/migrate.ts', '--help', 0],
    ['src/cli/migrate.ts', 'now', 2],
  ])('%s %s only says how it is used', async (script, argument, status) => {
    const url = newFileUrl();
    const { code, stdout } = await run(script, [argument], { DATABASE_URL: url });
    expect(code).toBe(status);
    expect(stdout).toContain('It takes no arguments');
    expect(existsSync(url.slice('file:'.length))).toBe(false);
  });
});

describe('settings', () => {
  test('that are wrong end the process before it listens, with all mistakes on stderr', async () => {
    const settings = { PORT: 'http', LOG_LEVEL: 'loud', DATABASE_URL: newFileUrl() };
    const { code, stdout, stderr } = await run('src/main.ts', [], settings);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain('PORT must be a whole number, 0 to 65535');
    expect(stderr).toContain('LOG_LEVEL');
  });

  test('with an address of another machine end it with the reason', async () => {
    const settings = { PORT: '0', HOST: '192.0.2.1', DATABASE_URL: newFileUrl() };
    const { code, stderr } = await run('src/main.ts', [], settings);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Cannot listen: .+HOST must be an address of this machine\.\n$/);
  });

  test('with a database that cannot be opened end it with the reason and without a stack', async () => {
    const { code, stderr } = await run('src/main.ts', [], { PORT: '0', DATABASE_URL: `file:${tmpdir()}` });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^The database file:.+ cannot be opened: .+\n$/);
  });
});
