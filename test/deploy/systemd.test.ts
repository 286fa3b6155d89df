import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ConfigError, parseConfig } from '../../src/config.ts';
import { failureStatus } from '../../src/failure-text.ts';
import { defaultLimits } from '../../src/limits.ts';
import { settingNames } from '../../src/settings/settings.ts';
import { hasProgram } from '../support/program.ts';

const unit = readFileSync(join(import.meta.dirname, '../../deploy/synclog.service'), 'utf8');
const command = readFileSync(join(import.meta.dirname, '../../deploy/synclog'), 'utf8');
const settingOf = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? '';

describe.runIf(hasProgram('systemd-analyze', 'systemd'))('the unit of systemd', () => {
  /** The unit in a folder of its own, with a program that is here: `verify` looks whether there is one. */
  function place(): string {
    const folder = mkdtempSync(join(tmpdir(), 'synclog-unit-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'synclog.service');
    writeFileSync(file, unit.replace('ExecStart=/usr/bin/node', `ExecStart=${process.execPath}`));
    return file;
  }

  test('is one, without a word of complaint', () => {
    expect(execFileSync('systemd-analyze', ['verify', '--man=no', place()], { stdio: 'pipe' }).toString()).toBe('');
  });

  test('exposes the machine as little as a server of V8 and sockets can', () => {
    const told = execFileSync('systemd-analyze', ['security', '--offline=true', place()]).toString();
    const [, exposure = '10'] = /Overall exposure level for synclog\.service: ([\d.]+)/.exec(told) ?? [];
    expect(Number(exposure), told).toBeLessThanOrEqual(1.5);
  });
});

test('the unit gives the server what it needs: time to end, files for its streams, settings that there are', () => {
  expect(Number(settingOf('TimeoutStopSec'))).toBeGreaterThan(defaultLimits.shutdownMs / 1_000 + 5);
  expect(Number(settingOf('LimitNOFILE'))).toBeGreaterThan(2 * defaultLimits.openStreams);
  expect(Number(settingOf('RestartPreventExitStatus'))).toBe(failureStatus(new ConfigError([])));
  const settings = Object.fromEntries(
    settingOf('Environment')
      .split(' ')
      .map((each) => each.split('=') as [string, string]),
  );
  for (const name of Object.keys(settings)) expect([...settingNames, 'NODE_ENV']).toContain(name);
  expect(parseConfig(settings).databaseUrl).toBe(`file:/var/lib/${settingOf('StateDirectory')}/synclog.db`);
});

test('the command beside the unit runs as its user, with its settings and its limits', () => {
  const properties = [...command.matchAll(/ --property='?([^'\n]+?)'? \\$/gm)].map(([, property]) => property);
  for (const property of properties) expect(unit.split('\n')).toContain(property);
  const names = properties.map((property) => property?.split('=', 1)[0]);
  expect(names).toEqual(
    expect.arrayContaining(['DynamicUser', 'User', 'StateDirectory', 'Environment', 'EnvironmentFile']),
  );
  expect(settingOf('ExecStart')).toBe('/usr/bin/node /opt/synclog/dist/main.js');
  expect(command).toContain('/usr/bin/node /opt/synclog/bin/synclog.mjs "$@"');
});
