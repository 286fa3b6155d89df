import type { TestProject } from 'vitest/node';
import { startPostgres } from '../../prisma/scratch-postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** A Postgres server whose user may create databases. */
    postgresUrl: string;
  }
}

/** A real Postgres of its own for the run of the tests, unless `TEST_DATABASE_URL` names one. */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  if (process.env.TEST_DATABASE_URL) {
    project.provide('postgresUrl', process.env.TEST_DATABASE_URL);
    return undefined;
  }
  const postgres = await startPostgres();
  project.provide('postgresUrl', postgres.url);
  return postgres.stop;
}
