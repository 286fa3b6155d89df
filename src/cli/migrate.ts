import { parseConfig } from '../config.ts';
import { migrate } from '../db/migrate.ts';
import { failureText } from '../failure-text.ts';

try {
  const applied = await migrate(parseConfig(process.env).databaseUrl);
  for (const name of applied) console.log(`applied ${name}`);
  console.log(applied.length > 0 ? 'The database is up to date.' : 'The database was up to date already.');
} catch (error) {
  console.error(failureText(error));
  process.exitCode = 1;
}
