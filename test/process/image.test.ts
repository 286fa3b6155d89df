import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { settingNames } from '../../src/settings/settings.ts';
import { build, dataFolder, installPackages, listens, somebody } from '../support/built-server.ts';
import { inContainer, mayMount } from '../support/container.ts';
import { createDatabase, provider } from '../support/database.ts';
import { unsetSettings } from '../support/unset-settings.ts';

const root = join(import.meta.dirname, '../..');
/** The instructions of the stage that becomes the image, each in one line. */
const image =
  readFileSync(join(root, 'Dockerfile'), 'utf8')
    .split(/^FROM /m)
    .at(-1)
    ?.replaceAll('\\\n', ' ') ?? '';
const all = (instruction: RegExp) => [...image.matchAll(instruction)].map((found) => found.slice(1) as string[]);
const one = (instruction: RegExp) => all(instruction)[0]?.[0] ?? '';

/** What the image holds in `/app`, made as its instructions say, in a folder that nobody may write to. */
function layOut(): string {
  build();
  const app = mkdtempSync(join(tmpdir(), 'synclog-image-'));
  onTestFinished(() => {
    spawnSync('chmod', ['-R', 'u+w', app]);
    rmSync(app, { recursive: true });
  });
  for (const [from = '', to = ''] of all(/^COPY --from=build \/build\/(\S+) \.\/(\S+)$/gm)) {
    expect(existsSync(join(root, from)), from).toBe(true);
    if (from === 'node_modules') installPackages(join(app, to));
    else cpSync(join(root, from), join(app, to), { recursive: true });
  }
  spawnSync('chmod', ['-R', 'a+rX,a-w', app]);
  return app;
}

test('the image runs the server as nobody and as the first process, on a root file system that is read-only, says that it is well, and ends with SIGTERM', async () => {
  expect(one(/^USER (\S+)$/gm)).toBe('65534:65534');
  const [app, data] = [layOut(), dataFolder()];
  const settings = Object.fromEntries(
    one(/^ENV (.+)$/gm)
      .split(' ')
      .map((each) => each.split('=') as [string, string]),
  );
  for (const name of Object.keys(settings)) expect([...settingNames, 'NODE_ENV']).toContain(name);
  expect(settings).toMatchObject({ NODE_ENV: 'production', HOST: '0.0.0.0' });
  // Where nothing can be mounted, the same files stand in a folder that nobody may write to.
  const inPlace = (text: string) => (mayMount ? text : text.replace('/app/', `${app}/`).replace('/data/', `${data}/`));

  const { url: databaseUrl, drop } = await createDatabase();
  onTestFinished(drop);
  const env = {
    ...{ PATH: process.env.PATH, HOME: '/nonexistent' },
    ...unsetSettings,
    ...settings,
    DATABASE_URL: provider === 'sqlite' ? inPlace(settings.DATABASE_URL ?? '') : databaseUrl,
    PORT: '0',
  };
  const [program = '', ...args] = [
    ...JSON.parse(one(/^ENTRYPOINT (\[.+\])$/gm)),
    ...JSON.parse(one(/^CMD (\[.+\])$/gm)),
  ];
  expect(program).toBe('node'); // the first process, which no shell stands in front of
  const [command, commandArgs]: [string, string[]] = mayMount
    ? inContainer(app, data, one(/^USER (\S+)$/gm), args)
    : [process.execPath, args.map(inPlace)];
  const child = spawn(command, commandArgs, {
    ...(mayMount ? {} : { cwd: app, ...somebody }),
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const pid = () => (mayMount ? firstProcessOf(child.pid) : child.pid) ?? 0;
  onTestFinished(() => {
    if (child.exitCode === null) process.kill(pid(), 'SIGKILL');
  });
  const { port } = new URL(await listens(child));

  const [, ...check] = JSON.parse(one(/^HEALTHCHECK .*?CMD (\[.+\])$/gm)) as string[];
  const health = (at: string) => spawnSync(process.execPath, check, { env: { ...env, PORT: at } }).status;
  expect(health(port)).toBe(0);
  if (provider === 'sqlite') expect(existsSync(join(data, 'synclog.db'))).toBe(true);
  process.kill(pid(), 'SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
  expect(health(port)).toBe(1);
});

/** The process that is the first one in the namespace that `unshare` has made for it. */
function firstProcessOf(unshare: number | undefined): number {
  return Number(readFileSync(`/proc/${unshare}/task/${unshare}/children`, 'utf8').trim());
}
