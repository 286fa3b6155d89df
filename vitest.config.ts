import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { memoryFolder } from './test/support/memory-folder.ts';
import { uniqueNames } from './test/support/unique-names.ts';

/** A file that gets the results as JSON beside the usual output; `.ci/run` counts them. */
const reportFile = process.env.TEST_REPORT_FILE;

/** Folders of tests of behaviour, which has to be the same on both databases. The others run once. */
const behaviour = ['doors', 'log', 'nouns', 'process', 'sources'].map((folder) => `test/${folder}/**/*.test.ts`);
/** Long runs, each in a process of its own: they measure memory and want no neighbour in it. */
const proofs = 'test/proofs/**/*.test.ts';

/** What `npm run test:quick` leaves out of the folders that it runs: what takes many events or long silences. */
const slow = [
  ...['log/slow-consumer', 'log/follow-cost', 'log/long-lists', 'nouns/query-cost', 'log/long-histories'],
  ...['log/follow-end', 'nouns/runs-subscription', 'doors/rest-stream', 'doors/rest-agreement'],
];
const leftOut = process.env.TEST_QUICK ? slow.map((name) => `test/${name}.test.ts`) : [];

const inMemory = memoryFolder();
if (!process.env.TMPDIR && inMemory) process.env.TMPDIR = inMemory;

/** One project after the other, as files share a process with those of their project; in a project the longest first. */
class ProjectAfterProject extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const longestFirst = await super.sort(files);
    const place = ({ project }: TestSpecification) => this.ctx.projects.indexOf(project);
    return longestFirst.sort((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  // Node takes graphql's CommonJS build, Vite by itself the other one, and two builds in one process do not know each
  // other's errors and schemas.
  resolve: { alias: [{ find: /^graphql$/, replacement: fileURLToPath(import.meta.resolve('graphql')) }] },
  test: {
    // Processes, as some tests send signals. Two of them take one file after the other: to load the server anew for
    // each file would take a third of the time. So a test leaves nothing behind in its process.
    pool: 'forks',
    isolate: false,
    maxWorkers: 2,
    sequence: { sequencer: ProjectAfterProject },
    // How long something may hang. What a test says about time it measures itself.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000 } },
    // A forgotten `.only` fails here as it does in CI, instead of hiding every other test of its file.
    allowOnly: false,
    reporters: reportFile ? ['default', uniqueNames, ['json', { outputFile: reportFile }]] : ['default', uniqueNames],
    projects: [
      { extends: true, test: { name: 'proofs', include: [proofs], isolate: true } },
      {
        extends: true,
        test: {
          name: 'sqlite',
          include: ['test/**/*.test.ts'],
          exclude: [proofs, ...leftOut],
          globalSetup: 'test/support/sqlite-setup.ts',
        },
      },
      {
        extends: true,
        test: {
          name: 'postgresql',
          include: behaviour,
          env: { TEST_PROVIDER: 'postgresql' },
          globalSetup: 'test/support/postgres-setup.ts',
        },
      },
    ],
  },
});
