import { readCommandLine } from '../cli/command-line.ts';
import { print } from '../cli/print.ts';
import { runCommand } from '../cli/run-command.ts';
import { demoDatabaseUrl } from './demo-settings.ts';

const help = `Starts the server with demo users, weeks of their syncs and live syncs of all sources, until Ctrl+C.

  npm run demo
      Prints where GraphiQL is, an API key, and commands to try. On this machine alone (HOST) the key and JWT_SECRET are
      always the same; elsewhere each start makes new ones. The key is good for no other server. Pages of any port of this
      machine may call the demo, by CORS and WebSocket.
      What is in the database stays; delete it for a fresh start.
  npm run demo -- --help
      Shows this text.

The settings of the server count here, too (PORT=4001 npm run demo). Only these have other defaults:
  DATABASE_URL  ${demoDatabaseUrl}
  JWT_SECRET    the demo's own
  LOG_LEVEL     warn

Exit status: 0 ended by a signal, 1 a failure, 2 a mistake in the command line or the settings.`;

await runCommand({
  name: 'demo',
  help,
  async run(args) {
    readCommandLine(args, { options: {} });
    const stop = new AbortController();
    // Not `once`: npm and the terminal may both send the same Ctrl+C, and the second would cut the first one's end short.
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
    const { runDemo } = await import('./run-demo.ts');
    const { stdout } = process;
    await runDemo(process.env, {
      signal: stop.signal,
      print,
      warn: (line) => console.error(`demo: ${line}`),
      rewrite: stdout.isTTY ? (text) => void stdout.write(`\r\x1b[K${text}`) : undefined,
    });
    return 0;
  },
});
