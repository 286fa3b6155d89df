import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { settingNames } from '../../src/settings/settings.ts';
import { build, dataFolder, installPackages, listens, somebody } from '../support/built-server.ts';
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

test('the image runs the server as nobody, who may write nowhere but to its data, says that it is well, and ends with SIGTERM', async () => {
  expect(one(/^USER (\S+)$/gm)).toBe('65534:65534');
  const [app, data] = [layOut(), dataFolder()];
  const settings = Object.fromEntries(
    one(/^ENV (.+)$/gm)
      .split(' ')
      .map((each) => each.split('=') as [string, string]),
  );
  for (const name of Object.keys(settings)) expect([...settingNames, 'NODE_ENV']).toContain(name);
  expect(settings).toMatchObject({ NODE_ENV: 'production', HOST: '0.0.0.0' });
  const inPlace = (text: string) => text.replace('/app/', `${app}/`).replace('/data/', `${data}/`);

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
  const child = spawn(process.execPath, args.map(inPlace), {
    cwd: app,
    env,
    ...somebody,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const { port } = new URL(await listens(child));

  const [, ...check] = JSON.parse(one(/^HEALTHCHECK .*?CMD (\[.+\])$/gm)) as string[];
  const health = (at: string) => spawnSync(process.execPath, check, { env: { ...env, PORT: at } }).status;
  expect(health(port)).toBe(0);
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
  expect(health(port)).toBe(1);
});
