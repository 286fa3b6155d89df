import { apiKeyHelp } from './api-key-help.ts';
import { runCommand } from './run-command.ts';

await runCommand({
  name: 'api-key',
  help: apiKeyHelp,
  async run(args) {
    const { runApiKeyCommand } = await import('./api-key-command.ts');
    return runApiKeyCommand({ args, environment: process.env, output: console });
  },
});
