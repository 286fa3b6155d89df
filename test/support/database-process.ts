import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';

/** Another process on the same database. Its script has `database`, `event`, and `input`: the lines that it is told. */
export function startScript(databaseUrl: string, script: string) {
  const source = (path: string) => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);
  const prelude = `
    import { createInterface } from 'node:readline';
    import { openDatabase } from ${source('db/open-database.ts')};
    import { openEventLog } from ${source('log/event-log.ts')};
    import { defaultLimits } from ${source('limits.ts')};
    const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
    const database = await openDatabase(${JSON.stringify(databaseUrl)});
    const event = { runId: 'r', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };`;
  const child = spawn(
    process.execPath,
    [
      '--import',
      'tsx',
      '--input-type=module',
      '--eval',
      `${prelude}${script}; await database.close(); process.exit();`,
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const exited = once(child, 'exit');
  return {
    tell: (line: string) => child.stdin.write(`${line}\n`),
    says: async (line: string) => expect((await lines.next()).value).toBe(line),
    end: async () => expect(await exited).toEqual([0, null]),
  };
}
