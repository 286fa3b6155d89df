import { apiKeyHelp } from './api-key-help.ts';
import { print } from './print.ts';
import type { Command } from './run-command.ts';

export const apiKeyCommand: Command = {
  name: 'api-key',
  help: apiKeyHelp,
  async run(args) {
    const { runApiKeyCommand } = await import('./api-key-command.ts');
    const output = { log: print, error: (line: string) => console.error(line) };
    return runApiKeyCommand({ args, environment: process.env, output });
  },
};
