import { productVersion } from '../lib/version.ts';
import { readCommandLine, UsageError } from './command-line.ts';
import { print } from './print.ts';
import { type Command, runCommand } from './run-command.ts';

/** What an operator runs, each loaded when it is asked for. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  start: async () => (await import('./start.ts')).startCommand,
  migrate: async () => (await import('./migrate.ts')).migrateCommand,
  'api-key': async () => (await import('./api-key.ts')).apiKeyCommand,
  backup: async () => (await import('./backup.ts')).backupCommand,
  doctor: async () => (await import('./doctor.ts')).doctorCommand,
};

const help = `A durable, live log of wearable-data syncs, served as GraphQL.

  synclog start
      Starts the server.
  synclog migrate
      Brings the database up to date, as the server does when it starts.
  synclog api-key
      Makes, lists, rotates and revokes API keys.
  synclog backup
      Copies a SQLite database into a new file.
  synclog doctor
      Looks for what is wrong with the settings, the database and Redis, and says what to do.
  synclog COMMAND --help
      Says more of one of them.
  synclog --version
      Says which version this is.

Settings are environment variables, or lines of a file .env.

Exit status: 0 done, or ended by a signal; 1 a failure, or a problem that doctor has found; 2 a mistake in the command line or
the settings.`;

/** What stands before any command: options of the program, or nothing that is known. */
const program: Command = {
  name: 'synclog',
  help,
  async run(args) {
    const { values, positionals } = readCommandLine(args, {
      operands: true,
      options: { version: { type: 'boolean', short: 'v' } },
    });
    if (!values.version)
      throw new UsageError(`there is no command ${positionals[0]}; there are ${Object.keys(commands).join(', ')}`);
    print(productVersion());
    return 0;
  },
};

const [name = '--help', ...args] = process.argv.slice(2); // who asks for nothing is told what there is
const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
if (load) await runCommand(await load(), args);
else await runCommand(program, [name, ...args]);
