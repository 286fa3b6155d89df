import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** A file that gets the results as JSON beside the usual output; `.ci/run` counts them. */
const reportFile = process.env.TEST_REPORT_FILE;

/** Folders of tests of behaviour, which has to be the same on both databases. The others run once. */
const behaviour = ['doors', 'log', 'nouns', 'process', 'sources'].map((folder) => `test/${folder}/**/*.test.ts`);

export default defineConfig({
  // Node takes graphql's CommonJS build, Vite by itself the other one, and two builds in one process do not know each
  // other's errors and schemas.
  resolve: { alias: [{ find: /^graphql$/, replacement: fileURLToPath(import.meta.resolve('graphql')) }] },
  test: {
    // A process per file: tests open real servers and databases, and some send signals.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // A forgotten `.only` fails here as it does in CI, instead of hiding every other test of its file.
    allowOnly: false,
    reporters: reportFile ? ['default', ['json', { outputFile: reportFile }]] : ['default'],
    projects: [
      { extends: true, test: { name: 'sqlite', include: ['test/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'postgresql',
          include: behaviour,
          env: { TEST_PROVIDER: 'postgresql' },
          globalSetup: 'test/support/postgres-server.ts',
        },
      },
    ],
  },
});
