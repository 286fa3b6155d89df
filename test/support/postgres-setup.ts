import type { TestProject } from 'vitest/node';
import { createOnServer, startPostgres } from '../../prisma/scratch-postgres.ts';
import { migrate } from '../../src/db/migrations.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** A Postgres server whose user may create databases. */
    postgresUrl: string;
  }
}

/** A real Postgres of its own for the run of the tests, unless `TEST_DATABASE_URL` names one. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.TEST_DATABASE_URL;
  const postgres = given ? { url: given, stop: async () => {} } : await startPostgres();
  const { url, drop } = await createOnServer(postgres.url);
  await migrate(url);
  project.provide('postgresUrl', postgres.url);
  project.provide('migratedDatabase', new URL(url).pathname.slice(1));
  return async () => {
    await drop();
    await postgres.stop();
  };
}
