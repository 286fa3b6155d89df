import { expect, test } from 'vitest';
import { installedSources } from '../../src/sources/installed.ts';
import { neededSettings } from '../../src/sources/source-settings.ts';

/** Each value that occurs more than once. */
const repeated = (values: readonly string[]) => values.filter((value, index) => values.indexOf(value) !== index);

test('no two installed sources share a name, a setting, a webhook or the header that proves its sender', () => {
  const webhooks = installedSources.flatMap(({ webhook }) => webhook ?? []);
  expect(repeated(installedSources.map(({ name }) => name))).toEqual([]);
  expect(repeated(installedSources.flatMap(({ settings }) => Object.keys(settings)))).toEqual([]);
  expect(repeated(webhooks.map(({ path }) => path))).toEqual([]);
  expect(repeated(webhooks.map(({ operationId }) => operationId))).toEqual([]);
  expect(repeated(webhooks.map(({ signature }) => signature.scheme))).toEqual([]);
});

test('each is set up by a setting that it cannot do without, so that it is off where nothing is said of it', () => {
  for (const { name, settings } of installedSources) expect(neededSettings(settings), name).not.toEqual([]);
});
