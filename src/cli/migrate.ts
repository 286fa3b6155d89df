import { readCommandLine } from './command-line.ts';
import { print } from './print.ts';
import type { Command } from './run-command.ts';

const help = `Brings the database that DATABASE_URL names up to date and says what it applied.

  npm run migrate
      The server does the same when it starts.
  npm run migrate -- --help
      Shows this text.

Exit status: 0 done, 1 a failure, 2 a mistake in the command line or the settings.`;

export const migrateCommand: Command = {
  name: 'migrate',
  help,
  async run(args) {
    readCommandLine(args, { options: {} });
    const { parseConfig } = await import('../config.ts');
    const { doubtsAbout } = await import('../settings/doubtful-names.ts');
    const { migrate } = await import('../db/migrations.ts');
    for (const doubt of doubtsAbout(process.env)) console.error(`migrate: ${doubt}`);
    const { databaseUrl, databaseDirectUrl } = parseConfig(process.env);
    const applied = await migrate(databaseDirectUrl ?? databaseUrl, undefined, {
      onWarning: (text) => console.error(`migrate: ${text}`),
      onWait: (seconds) => console.error(`waiting for another instance, which migrates the database (${seconds} s)`),
    });
    for (const name of applied) print(`applied ${name}`);
    print(applied.length > 0 ? 'The database is up to date.' : 'The database was up to date already.');
    return 0;
  },
};
