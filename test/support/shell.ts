import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A terminal in the project's folder: what one command exports, the next ones see. */
export interface Shell {
  /** What the command has written, without its errors. */
  run(code: string): Promise<string>;
  /** Ends it and what runs in its background. */
  close(): Promise<void>;
}

const END = 'the command has ended';

export function openShell(variables: Readonly<Record<string, string>>): Shell {
  const bash = spawn('bash', [], {
    cwd: join(import.meta.dirname, '../..'),
    env: { ...process.env, ...variables },
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true, // a process group of its own
  });
  const lines = createInterface(bash.stdout)[Symbol.asyncIterator]();
  return {
    async run(code) {
      bash.stdin.write(`{\n${code}\n} </dev/null\nprintf '\\n%s\\n' '${END}'\n`);
      const output: string[] = [];
      for (;;) {
        const { value, done } = await lines.next();
        if (done) throw new Error('The shell has ended');
        if (value === END) return output.join('\n').replace(/\n$/, '');
        output.push(value);
      }
    },
    async close() {
      const ended = once(bash, 'close');
      if (bash.pid !== undefined) process.kill(-bash.pid, 'SIGKILL');
      await ended;
    },
  };
}
