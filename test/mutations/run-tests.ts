import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** A test may take so long, in milliseconds, unless it says otherwise itself: a fault often shows as something that never comes. */
const TEST_MS = 20_000;
/** And what it polls for may take so long to come. */
const POLL_MS = 8_000;
/** What a test file leaves undone for so long hangs natively, in milliseconds: no time-out of its tests can end it. */
const LONGEST_MS = 120_000;
/** How long tests may clean up once they are interrupted, in milliseconds. */
const LAST_WORDS_MS = 5_000;

/** Of folders that hold databases: as root, Postgres runs as a user of its own. */
export const OPEN_TO_ALL = 0o755;

/** What some test files have said. */
export type Outcome =
  | { readonly kind: 'passed' }
  /** @param by the first test that failed */
  | { readonly kind: 'failed'; readonly by: string }
  /** Not even the test files could be loaded. */
  | { readonly kind: 'broken'; readonly why: string };

const testReport = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string().optional(),
      assertionResults: z.array(z.object({ fullName: z.string(), status: z.string() })),
    }),
  ),
});

/** Runs test files of a copy in a process group of its own, of which nothing is left afterwards. */
export async function runTests(
  copy: string,
  { tests, project, bail }: { readonly tests: readonly string[]; readonly project: string; readonly bail: boolean },
  signal: AbortSignal,
): Promise<Outcome> {
  const folder = join(copy, '..', 'runs');
  mkdirSync(folder, { recursive: true });
  const scratch = mkdtempSync(join(folder, 'run-'));
  chmodSync(scratch, OPEN_TO_ALL);
  const report = join(scratch, 'report.json');
  const options = [
    ...['--maxWorkers', '1', '--testTimeout', `${TEST_MS}`, `--expect.poll.timeout=${POLL_MS}`],
    '--experimental.fsModuleCache', // all but the file with the fault is what it was
    ...['--reporter', 'json', '--outputFile', report],
  ];
  const child = spawn(
    process.execPath,
    [
      'node_modules/vitest/vitest.mjs',
      'run',
      '--project',
      project,
      ...options,
      ...(bail ? ['--bail', '1'] : []),
      ...tests,
    ],
    // Databases of tests that are killed go with the folder.
    { cwd: copy, env: { ...process.env, TMPDIR: scratch }, stdio: ['ignore', 'pipe', 'pipe'], detached: true },
  );
  let printed = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) => {
      printed = `${printed}${text}`.slice(-2_000);
    });
  const interrupt = () => end(child, 'SIGINT');
  signal.addEventListener('abort', interrupt, { once: true });
  const longestMs = LONGEST_MS * tests.length;
  const watchdog = setTimeout(() => end(child, 'SIGKILL'), longestMs);
  try {
    const [code] = await once(child, 'exit');
    if (code === null && !signal.aborted) return { kind: 'failed', by: `no end within ${longestMs / 1000} s` };
    return readOutcome(report, code, printed);
  } finally {
    clearTimeout(watchdog);
    signal.removeEventListener('abort', interrupt);
    end(child, 'SIGKILL'); // what the tests have left running
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  }
}

function readOutcome(report: string, code: number | null, printed: string): Outcome {
  let results: z.infer<typeof testReport>['testResults'];
  try {
    results = testReport.parse(JSON.parse(readFileSync(report, 'utf8'))).testResults;
  } catch {
    return { kind: 'broken', why: printed };
  }
  const unloaded = results.find(({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0);
  if (unloaded) return { kind: 'broken', why: `${unloaded.name}: ${unloaded.message}` };
  if (!results.some(({ assertionResults }) => assertionResults.length > 0))
    return { kind: 'broken', why: 'there is no test' };
  const failed = results.find(({ status }) => status === 'failed');
  if (!failed) return code === 0 ? { kind: 'passed' } : { kind: 'failed', by: 'an error outside of the tests' };
  const test = failed.assertionResults.find(({ status }) => status === 'failed');
  const file = failed.name.slice(failed.name.lastIndexOf('/test/') + 1);
  return { kind: 'failed', by: `${file}: ${test?.fullName ?? 'what its tests prepare'}` };
}

/** Ends a whole group: an interrupted one gets some time to put things away. */
function end(child: ChildProcess, signal: 'SIGINT' | 'SIGKILL'): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    return; // nobody is left
  }
  if (signal === 'SIGINT') setTimeout(() => end(child, 'SIGKILL'), LAST_WORDS_MS).unref();
}
