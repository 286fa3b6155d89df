import { settingNames } from '../../src/settings/settings.ts';

/**
 * For processes that tests start: the settings of whoever runs the tests, in the environment or in `.env`, do not count, as
 * an empty value is as good as none and wins over the file. Nothing is put off: the machine of a test may be busy with others.
 */
export const unsetSettings: Readonly<Record<string, string>> = {
  ...Object.fromEntries(settingNames.map((name) => [name, ''])),
  LOAD_SHEDDING: 'off',
};
