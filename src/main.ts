import { runCommand } from './cli/run-command.ts';
import { startCommand } from './cli/start.ts';

await runCommand(startCommand);
