import { runApiKeyCommand } from './api-key-command.ts';

process.exitCode = await runApiKeyCommand({ args: process.argv.slice(2), environment: process.env, output: console });
process.exit(); // the migration engine leaves a timer of ten seconds
