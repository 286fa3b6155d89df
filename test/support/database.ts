import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { createOnServer } from '../../prisma/scratch-postgres.ts';
import type { Provider } from '../../src/db/database.ts';

/** The database that this run of a test is about: each behaviour is tested on both. */
export const provider: Provider = process.env.TEST_PROVIDER === 'postgresql' ? 'postgresql' : 'sqlite';

/** A database that goes with `drop`. */
export interface TestDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

/** An empty database of the run's provider. `drop` removes it, whoever is still connected. */
export async function createDatabase(): Promise<TestDatabase> {
  return provider === 'sqlite' ? createFile() : createOnServer(inject('postgresUrl'));
}

function createFile() {
  const folder = mkdtempSync(join(tmpdir(), 'synclog-'));
  return {
    url: `file:${join(folder, 'synclog.db')}`,
    drop: async () => rmSync(folder, { recursive: true, force: true }),
  };
}
