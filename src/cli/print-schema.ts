import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KnownFailure } from '../lib/known-failure.ts';
import { readCommandLine } from './command-line.ts';
import { runCommand } from './run-command.ts';

const help = `Writes schema.graphql, from what the code says now.

  npm run schema
  npm run schema -- --check
      Writes nothing, and fails if the file is not what the code says.
  npm run schema -- --help
      Shows this text.

Exit status: 0 done, 1 the file is not what the code says, or a failure; 2 a mistake in the command line.`;

const path = join(import.meta.dirname, '../../schema.graphql');

await runCommand({
  name: 'schema',
  help,
  async run(args) {
    const { values } = readCommandLine(args, { options: { check: { type: 'boolean' } } });
    const { lexicographicSortSchema, printSchema } = await import('graphql');
    const { buildSchema } = await import('../schema.ts');
    const printed = `${printSchema(lexicographicSortSchema(buildSchema()))}\n`;
    if (!values.check) writeFileSync(path, printed);
    else if (readFileSync(path, 'utf8') !== printed)
      throw new KnownFailure('schema.graphql is not what the code says. Run: npm run schema');
    return 0;
  },
});
