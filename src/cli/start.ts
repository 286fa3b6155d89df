import { createLogger } from '../lib/logger.ts';
import { readCommandLine } from './command-line.ts';
import type { Command } from './run-command.ts';

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

/**
 * A process that is still starting has accepted nothing, and what it does to the database is one transaction each, so that
 * it may end at any moment. Without a handler, the first process of a container would not end at all.
 */
let end: () => unknown = () => process.exit(0);
// Not `once`: npm and a terminal may both send the same Ctrl+C, and the second would cut the first one's end short.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => end());

export const startCommand: Command = {
  name: 'start',
  help,
  async run(args) {
    readCommandLine(args, { options: {} });
    const { serve } = await import('./serve.ts');
    await serve(log, (orderly) => {
      end = orderly;
    });
    return undefined;
  },
  tell: (failure) => log('fatal', 2).fatal(failure),
};
