import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createOnServer, startPostgres } from '../../prisma/scratch-postgres.ts';
import { readCommandLine, UsageError } from '../../src/cli/command-line.ts';
import { print } from '../../src/cli/print.ts';
import { runCommand } from '../../src/cli/run-command.ts';
import type { TestDatabase } from '../support/database.ts';

const help = `Shows what Synclog says of people's connections, beside what an operator should be told.

  npm run show -- completeness
      Tells a real server three stories through its public doors, on a clock of its own, and asks at twelve moments whether
      the person's data is connected, complete and fresh, and who has to act if not: a backfill of Garmin with a rate
      limit, a type that was not granted and a revocation; an export from a phone of which batches fail; and somebody who
      wears a device now and then, and then no more. Half a minute.
  npm run show -- completeness --database postgres
      On a Postgres out of npm's registry, or the one that TEST_DATABASE_URL names, instead of a SQLite file. Either is
      thrown away.
  npm run show -- completeness --json
      Prints the same as JSON.
  npm run show -- --help
      Shows this text.

Exit status: 0 every answer is as expected, 1 one is not, or a failure, 2 a mistake in the command line.`;

await runCommand({
  name: 'show',
  help,
  async run(args) {
    const { database, json } = readOptions(args);
    const { showCompleteness, toText } = await import('./completeness.ts');
    const databases = database === 'postgres' ? await openPostgres() : openFolder();
    try {
      const shown = await showCompleteness(databases.create);
      const wrong = shown.filter(({ isAsExpected }) => !isAsExpected).length;
      if (json) print(JSON.stringify(shown, null, 2));
      else {
        for (const [index, { at, happened, says, expected, isAsExpected }] of shown.entries()) {
          print(`${index + 1}. ${at}: ${happened}${isAsExpected ? '' : ' NOT AS EXPECTED'}`);
          print(beside('says', toText(says)));
          print(`${beside('expected', toText(expected))}\n`);
        }
        print(
          wrong === 0 ? `All ${shown.length} are as expected.` : `${wrong} of ${shown.length} are not as expected.`,
        );
      }
      return wrong === 0 ? 0 : 1;
    } finally {
      await databases.close();
    }
  },
});

function readOptions(args: readonly string[]) {
  const { values, positionals } = readCommandLine(args, {
    options: { database: { type: 'string' }, json: { type: 'boolean' } },
    operands: true,
  });
  const { database = 'sqlite', json = false } = values;
  if (positionals.join(' ') !== 'completeness') throw new UsageError('say what to show: completeness');
  if (database !== 'sqlite' && database !== 'postgres')
    throw new UsageError(`--database is sqlite or postgres, and not ${database}`);
  return { database, json };
}

interface Databases {
  create(): Promise<TestDatabase>;
  close(): Promise<void>;
}

function openFolder(): Databases {
  const folder = mkdtempSync(join(tmpdir(), 'synclog-show-'));
  let files = 0;
  return {
    create: async () => {
      files += 1;
      return { url: `file:${join(folder, `${files}.db`)}`, drop: async () => {} };
    },
    close: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function openPostgres(): Promise<Databases> {
  const { TEST_DATABASE_URL: url } = process.env;
  if (url) return { create: () => createOnServer(url), close: async () => {} };
  const postgres = await startPostgres();
  return { create: () => createOnServer(postgres.url), close: postgres.stop };
}

function beside(label: string, text: string): string {
  return text
    .split('\n')
    .map((line, index) => `   ${(index === 0 ? label : '').padEnd(10)}${line}`)
    .join('\n');
}
