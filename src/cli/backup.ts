import { parseArgs } from 'node:util';
import { ConfigError, parseConfig } from '../config.ts';
import { backUp } from '../db/back-up.ts';
import { AppError } from '../errors.ts';
import { failureText } from '../failure-text.ts';

const help = `Copies the SQLite database that DATABASE_URL names into a new file, while a server works on it or not.

  npm run backup -- FILE
      FILE is a whole database as it was at one moment. To go back to it, stop the server, remove the database
      together with its -wal and -shm files, and put FILE in its place.
  npm run backup -- --help
      Shows this text.

A Postgres is backed up with its own commands, such as pg_dump.

Exit status: 0 done, 1 a failure, 2 a mistake in the command line or the settings.`;

/** The command line does not say what to do. */
class UsageError extends Error {}

/** The file to make; nothing when it is help that is asked for. */
function parseCommand(): string | undefined {
  const { values, positionals } = parse();
  if (values.help) return undefined;
  const [file, ...others] = positionals;
  if (!file) throw new UsageError('the FILE to make is missing');
  if (others.length > 0) throw new UsageError(`one FILE is enough, without ${others[0]}`);
  return file;
}

function parse() {
  try {
    return parseArgs({ allowPositionals: true, options: { help: { type: 'boolean', short: 'h' } } });
  } catch (error) {
    const [mistake] = error instanceof Error ? error.message.split(/\. |\n/) : [];
    throw new UsageError(mistake);
  }
}

function run(): void {
  const file = parseCommand();
  if (file === undefined) {
    console.log(help);
    return;
  }
  const bytes = backUp(parseConfig(process.env).databaseUrl, file);
  console.log(`Wrote ${file} (${bytes.toLocaleString('en')} bytes).`);
}

try {
  run();
} catch (error) {
  const isUsage = error instanceof UsageError;
  const isMistake =
    isUsage || error instanceof ConfigError || (error instanceof AppError && error.code === 'BAD_USER_INPUT');
  const text = error instanceof ConfigError ? `bad settings: ${error.problems.join('; ')}` : failureText(error);
  console.error(`backup: ${isUsage ? `${error.message} (see --help)` : text}`);
  process.exitCode = isMistake ? 2 : 1;
}
