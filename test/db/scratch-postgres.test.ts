import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test('a process that ran a Postgres of its own ends with the code that it set, as a run of tests that failed does', async () => {
  const script = `
    import { startPostgres } from './prisma/scratch-postgres.ts';
    const postgres = await startPostgres();
    await postgres.stop();
    process.exitCode = 3;`;
  const ended = promisify(execFile)(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script]);
  await expect(ended).rejects.toMatchObject({ code: 3 });
});
