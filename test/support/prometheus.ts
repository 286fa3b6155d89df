import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '../../prisma/scratch-postgres.ts';

/** Whether Prometheus is on the path. In CI it has to be; elsewhere its absence is said loudly. */
export const hasPrometheus = findPrometheus();

function findPrometheus(): boolean {
  try {
    for (const program of ['promtool', 'prometheus']) execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    if (process.env.CI)
      throw new Error('promtool and prometheus are not on the path, and in CI their tests may not be skipped');
    process.stderr.write(
      '\n*** NO promtool AND prometheus ON THE PATH: what they check is SKIPPED (apt-get install prometheus) ***\n\n',
    );
    return false;
  }
}

/** What `promtool` says with these arguments, and its exit status. */
export function promtool(
  args: readonly string[],
  input = '',
): { readonly status: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' });
  return { status, said: stdout + stderr };
}

/** An alert that Prometheus has raised. */
interface RaisedAlert {
  readonly name: string;
  /** Of the server that it is about; undefined where it is about several. */
  readonly instance: string | undefined;
}

/** A Prometheus that scrapes servers several times a second. */
export interface RunningPrometheus {
  alerts(): Promise<readonly RaisedAlert[]>;
  stop(): Promise<void>;
}

/** Starts one in a folder of its own. @param targets host and port of each server */
export async function startPrometheus(rules: string, targets: readonly string[]): Promise<RunningPrometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'prometheus-'));
  writeFileSync(join(folder, 'alerts.yaml'), rules);
  writeFileSync(
    join(folder, 'prometheus.yaml'),
    `global: { scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 250ms }
rule_files: [alerts.yaml]
scrape_configs:
  - { job_name: synclog, static_configs: [{ targets: ${JSON.stringify(targets)} }] }
`,
  );
  const port = await freePort();
  const files = ['--config.file=prometheus.yaml', '--storage.tsdb.path=data'];
  const child = spawn('prometheus', [...files, `--web.listen-address=127.0.0.1:${port}`, '--log.level=error'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = once(child, 'exit');
  const url = `http://127.0.0.1:${port}`;
  while (!(await fetch(`${url}/-/ready`).catch(() => undefined))?.ok) {
    if (child.exitCode !== null) throw new Error('Prometheus does not start');
    await wait(50);
  }
  return {
    async alerts() {
      const { data } = await (await fetch(`${url}/api/v1/alerts`)).json();
      return data.alerts.map(({ labels }: { labels: Record<string, string> }) => ({
        name: labels.alertname,
        instance: labels.instance,
      }));
    },
    async stop() {
      child.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}
