import { apiKeyHelp } from './api-key-help.ts';
import { print } from './print.ts';
import { runCommand } from './run-command.ts';

await runCommand({
  name: 'api-key',
  help: apiKeyHelp,
  async run(args) {
    const { runApiKeyCommand } = await import('./api-key-command.ts');
    const output = { log: print, error: (line: string) => console.error(line) };
    return runApiKeyCommand({ args, environment: process.env, output });
  },
});
