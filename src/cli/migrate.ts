import { parseConfig } from '../config.ts';
import { migrate } from '../db/migrations.ts';
import { failureText } from '../failure-text.ts';

const usage = `npm run migrate
    Brings the database that DATABASE_URL names up to date and says what it applied. It takes no arguments.`;

async function run(): Promise<void> {
  const { databaseUrl, databaseDirectUrl } = parseConfig(process.env);
  const applied = await migrate(databaseDirectUrl ?? databaseUrl, undefined, {
    onWait: (seconds) => console.error(`waiting for another instance, which migrates the database (${seconds} s)`),
  });
  for (const name of applied) console.log(`applied ${name}`);
  console.log(applied.length > 0 ? 'The database is up to date.' : 'The database was up to date already.');
}

if (process.argv.length > 2) {
  console.log(usage);
  process.exitCode = process.argv.includes('--help') ? 0 : 2;
} else {
  await run().catch((error: unknown) => {
    console.error(failureText(error));
    process.exitCode = 1;
  });
  process.exit(); // the migration engine leaves a timer of ten seconds
}
