import { resolve } from 'node:path';
import { readCommandLine, UsageError } from './command-line.ts';
import { print } from './print.ts';
import type { Command } from './run-command.ts';

const help = `Copies the SQLite database that DATABASE_URL names into a new file, while a server works on it or not.

  npm run backup -- FILE
      FILE is a whole database as it was at one moment. To go back to it, stop the server, remove the database
      together with its -wal and -shm files, and put FILE in its place.
  npm run backup -- --help
      Shows this text.

A Postgres is backed up with its own commands, such as pg_dump.

Exit status: 0 done, 1 a failure, 2 a mistake in the command line or the settings.`;

/** Where the command was typed, which npm leaves for the folder of the project. */
const startFolder = process.env.INIT_CWD ?? process.cwd();

export const backupCommand: Command = {
  name: 'backup',
  help,
  async run(args) {
    const [file, ...others] = readCommandLine(args, { options: {}, operands: true }).positionals;
    if (!file) throw new UsageError('the FILE to make is missing');
    if (others.length > 0) throw new UsageError(`one FILE is enough, without ${others[0]}`);
    if (file.trim() === '') throw new UsageError('the name of the FILE is blank');
    if (file === '-') throw new UsageError('a backup is not written to stdout; write ./- for a file of that name');
    if (file.endsWith('/')) throw new UsageError(`${file} names a folder; name the FILE in it`);
    const { parseConfig } = await import('../config.ts');
    const { doubtsAbout } = await import('../settings/doubtful-names.ts');
    const { backUp } = await import('../db/back-up.ts');
    for (const doubt of doubtsAbout(process.env)) console.error(`backup: ${doubt}`);
    const path = resolve(startFolder, file);
    const bytes = backUp(parseConfig(process.env).databaseUrl, path);
    print(`Wrote ${path} (${bytes.toLocaleString('en')} bytes).`);
    return 0;
  },
};
