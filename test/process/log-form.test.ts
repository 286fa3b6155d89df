import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { hasProgram } from '../support/program.ts';
import { unsetSettings } from '../support/unset-settings.ts';

/** It warns on stdout of the one, and ends with what is wrong with the other on stderr. */
const badSettings = { REDIS_URI: 'redis://127.0.0.1', PORT: 'http' };
const command = `exec "${process.execPath}" --import tsx src/main.ts`;
const asJson = (level: string, text: string) =>
  new RegExp(`^\\{"level":${level},"time":"[^"]+".*"msg":"${text}[^\\n]*\\}\\r?$`, 'm');
const jsonWarning = asJson('40', 'REDIS_URI is no setting');
const jsonFatal = asJson('60', 'bad settings: PORT must be');
const readableWarning = /^\d\d:\d\d:\d\d\.\d{3} WARN {2}REDIS_URI is no setting/m;
const readableFatal = /^\d\d:\d\d:\d\d\.\d{3} FATAL bad settings: PORT must be/m;

/** What the shell's command writes; the terminal of `script` is both of its outputs. */
function run(program: string, args: readonly string[], settings: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: join(import.meta.dirname, '../..'),
    env: { ...process.env, NODE_ENV: '', SHELL: '/bin/sh', ...unsetSettings, ...badSettings, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  });
  expect(status).toBe(2);
  return { stdout, stderr };
}

const inTerminal = (line: string, settings?: Readonly<Record<string, string>>) =>
  run('script', ['--quiet', '--return', '--command', line, '/dev/null'], settings).stdout;

test('the log is JSON where a program takes it', () => {
  const { stdout, stderr } = run('sh', ['-c', command]);
  expect(stdout).toMatch(jsonWarning);
  expect(stderr).toMatch(jsonFatal);
});

describe.runIf(hasProgram('script', 'bsdutils'))('in a terminal', () => {
  test('the log has lines for people', () => {
    const shown = inTerminal(command);
    expect(shown).toMatch(readableWarning);
    expect(shown).toMatch(readableFatal);
    expect(shown).not.toContain('{"level"');
  });

  test('the log is JSON in production', () => {
    const shown = inTerminal(command, { NODE_ENV: 'production' });
    expect(shown).toMatch(jsonWarning);
    expect(shown).toMatch(jsonFatal);
  });

  test('each of the two outputs is looked at: one that goes to a file is JSON', () => {
    const folder = mkdtempSync(join(tmpdir(), 'synclog-log-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'log');
    const errorsAside = inTerminal(`${command} 2>'${file}'`);
    expect(errorsAside).toMatch(readableWarning);
    expect(errorsAside).not.toContain('bad settings');
    expect(readFileSync(file, 'utf8')).toMatch(jsonFatal);
    expect(inTerminal(`${command} >'${file}'`)).toMatch(readableFatal);
    expect(readFileSync(file, 'utf8')).toMatch(jsonWarning);
  });
});
