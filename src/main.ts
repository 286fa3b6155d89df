import { readCommandLine } from './cli/command-line.ts';
import { runCommand } from './cli/run-command.ts';
import { createLogger } from './lib/logger.ts';

const help = `Starts the Synclog server.

  npm start
      Its settings are environment variables, which README.md lists. SIGTERM and SIGINT end it in order.
  npm start -- --help
      Shows this text.

Exit status: 0 ended by a signal, 1 a failure, 2 a mistake in the command line or the settings.`;

/** Lines for people where people look, unless this is production; else JSON. */
function log(level: string, descriptor: 1 | 2 = 1) {
  const { isTTY } = descriptor === 1 ? process.stdout : process.stderr;
  return createLogger({ level, descriptor, isReadable: isTTY && process.env.NODE_ENV !== 'production' });
}

await runCommand({
  name: 'start',
  help,
  async run(args) {
    readCommandLine(args, { options: {} });
    const { serve } = await import('./cli/serve.ts');
    await serve(log);
    return undefined;
  },
  tell: (failure) => log('fatal', 2).fatal(failure),
});
