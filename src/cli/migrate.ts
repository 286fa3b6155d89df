import { ConfigError, parseConfig } from '../config.ts';
import { migrate } from '../db/migrate.ts';

try {
  const applied = await migrate(parseConfig(process.env).databaseUrl);
  for (const name of applied) console.log(`applied ${name}`);
  console.log(applied.length > 0 ? 'The database is up to date.' : 'The database was up to date already.');
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : error);
  process.exitCode = 1;
}
