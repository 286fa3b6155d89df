import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { build, dataFolder, installPackages, listens, somebody } from '../support/built-server.ts';
import { createDatabase, provider } from '../support/database.ts';
import { unsetSettings } from '../support/unset-settings.ts';

const root = join(import.meta.dirname, '../..');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** What the package may hold. All else would be a source, a test, a map of a source, or what nobody meant to give away. */
const packed: readonly RegExp[] = [
  /^(package\.json|schema\.graphql|LICENSE|(README|CHANGELOG|SECURITY)\.md)$/,
  /^bin\/synclog\.mjs$/,
  /^deploy\/(Caddyfile|nginx\.conf|synclog\.service|(compose|kubernetes|prometheus\/(alerts|prometheus))\.yaml|grafana\/dashboard\.json|synclog)$/,
  /^dist\/(main|synclog|[a-z][\w.-]*-[A-Z0-9]{8})\.js$/,
  /^dist\/(files\.json|licenses\.txt|assets\/swagger-ui-dist\/swagger-ui(-bundle\.js|\.css))$/,
  /^docs\/[a-z-]+\.md$/,
  /^prisma\/migrations\/(sqlite|postgresql)\/(\d{14}_\w+\/migration\.sql|migration_lock\.toml)$/,
];

/** A package as npm installs it: what `npm pack` holds, and beside it the packages that it depends on. */
let folder: string;
let installed: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'synclog-built-'));
  chmodSync(folder, 0o755);
  build();
  // Its scripts would generate the clients anew, under the tests that run beside this one.
  execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], {
    cwd: root,
    stdio: 'ignore',
  });
  const archive = join(folder, `synclog-${version}.tgz`);
  const packages = join(folder, 'node_modules');
  installed = join(packages, 'synclog');
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', archive, '-C', installed, '--strip-components=1']);
  installPackages(packages);
  execFileSync('chmod', ['-R', 'a-w', packages]);
}, 300_000);
afterAll(() => {
  execFileSync('chmod', ['-R', 'u+w', folder]);
  rmSync(folder, { recursive: true });
});

async function databaseUrl(data: string): Promise<string> {
  if (provider === 'sqlite') return `file:${data}/synclog.db`;
  const { url, drop } = await createDatabase();
  onTestFinished(drop);
  return url;
}

const environment = (settings: Readonly<Record<string, string>>) => ({
  ...{ PATH: process.env.PATH, HOME: '/nonexistent', NODE_ENV: 'production' },
  ...unsetSettings,
  ...settings,
});

/** A command of the installed package, as somebody who may write nowhere but to the data. */
async function synclog(args: readonly string[], settings: Readonly<Record<string, string>>, cwd = '/') {
  const command = [join(installed, 'bin/synclog.mjs'), ...args];
  return promisify(execFile)(process.execPath, command, { cwd, env: environment(settings), ...somebody }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  );
}

describe('what npm pack holds', () => {
  test('is the build, the migrations, the schema, what it is deployed with and what there is to read, and nothing else', () => {
    const files = readdirSync(installed, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map(({ parentPath, name }) => relative(installed, join(parentPath, name)));
    expect(files.filter((file) => !packed.some((pattern) => pattern.test(file)))).toEqual([]);
    expect(packed.filter((pattern) => !files.some((file) => pattern.test(file)))).toEqual([]);
    const mapped = (file: string) => readFileSync(join(installed, file), 'utf8').includes('//# sourceMappingURL=');
    expect(files.filter((file) => /^(bin|dist)\/.*js$/.test(file) && mapped(file))).toEqual([]);
  });

  test('needs one package, which has machine code, and installs without a script, of which npm would warn', () => {
    const { dependencies, ...rest } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    expect(Object.keys(dependencies)).toEqual(['libsql']);
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare'])
      expect(rest.scripts).not.toHaveProperty(name);
    // Without what it depends on, npm needs no registry.
    const place = mkdtempSync(join(tmpdir(), 'synclog-installed-'));
    onTestFinished(() => rmSync(place, { recursive: true }));
    mkdirSync(join(place, 'package/bin'), { recursive: true });
    writeFileSync(join(place, 'package/package.json'), JSON.stringify(rest));
    cpSync(join(installed, 'bin/synclog.mjs'), join(place, 'package/bin/synclog.mjs'));
    execFileSync('tar', ['-czf', 'synclog.tgz', 'package'], { cwd: place });
    writeFileSync(join(place, 'package.json'), '{}');
    const { status, stderr } = spawnSync('npm', ['install', '--offline', '--no-audit', './synclog.tgz'], {
      ...{ cwd: place, encoding: 'utf8' },
      env: { PATH: process.env.PATH, HOME: place },
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.not.stringContaining('warn') });
    expect(existsSync(join(place, 'node_modules/.bin/synclog'))).toBe(true);
  });

  test('lists each package that is built in, with its version and its license, and no tool of the build', () => {
    const text = readFileSync(join(installed, 'dist/licenses.txt'), 'utf8');
    const packages = [...text.matchAll(/^((?:@[\w.-]+\/)?[\w.-]+) (\d[\w.+-]*): (.+)$/gm)].map(([, name]) => name);
    expect(packages).toEqual(expect.arrayContaining(['graphql', 'graphql-yoga', '@prisma/client', 'swagger-ui-dist']));
    for (const tool of ['prisma', 'tsx', 'esbuild', 'typescript', 'vitest']) expect(packages).not.toContain(tool);
  });
});

describe('the built server', () => {
  test('records, answers and shows its pages as a user who may write nowhere but to the data', async () => {
    const data = dataFolder();
    const settings = { DATABASE_URL: await databaseUrl(data), PORT: '0' };
    const created = await synclog(['api-key', 'create', '--name', 'test', '--scopes', 'read,write,admin'], settings);
    expect(created).toMatchObject({ code: 0, stderr: '' });
    const key = created.stdout.trim().split('\n').at(-1) ?? '';
    const child = spawn(process.execPath, [join(installed, 'dist/main.js')], {
      ...{ cwd: '/', env: environment(settings), ...somebody },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const url = await listens(child);
    const graphql = async (query: string) => {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': key },
        body: JSON.stringify({ query }),
      });
      return response.json();
    };
    const { data: made } = await graphql('mutation { upsertUser(input: { externalUserId: "ada" }) { id } }');
    const userId = made.upsertUser.id;
    const recorded = await graphql(`mutation {
      recordSyncEvents(input: { events: [{
        userId: "${userId}", runId: "run", provider: "oura", source: PULL, stage: COMPLETED, status: SUCCESS
      }] }) { results { event { sequence } } }
    }`);
    expect(recorded).toMatchObject({ data: { recordSyncEvents: { results: [{ event: { sequence: 1 } }] } } });
    expect(await graphql(`{ user(id: "${userId}") { headCursor recentSyncEvents { stage } } }`)).toMatchObject({
      data: { user: { headCursor: '1', recentSyncEvents: [{ stage: 'COMPLETED' }] } },
    });
    for (const [path, text] of [
      ['/graphql', 'GraphiQL'],
      ['/docs', 'swagger-ui'],
      ['/docs/swagger-ui-bundle.js', 'SwaggerUIBundle'],
      ['/docs/swagger-ui.css', '.swagger-ui'],
      ['/openapi.json', `"version":"${version}"`],
      ['/readyz', 'ok'],
      ['/', 'synclog api-key'],
    ] as const) {
      const response = await fetch(`${url}${path}`, { headers: { accept: 'text/html,*/*', 'x-api-key': key } });
      expect({ path, status: response.status }).toEqual({ path, status: 200 });
      expect((await response.text()).includes(text), path).toBe(true);
    }
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  test.runIf(provider === 'sqlite')(
    'makes files and folders that nobody else can read, and leaves the mode of what it finds',
    async () => {
      const data = dataFolder();
      const [folder, file] = [join(data, 'made/here'), join(data, 'made/here/synclog.db')];
      const modes = (place: string) =>
        Object.fromEntries(readdirSync(place).map((name) => [name, statSync(join(place, name)).mode & 0o777]));
      const settings = { DATABASE_URL: `file:${file}`, PORT: '0' };
      /** Under the widest mask that there is: what it takes away would hide what is given. */
      const start = async () => {
        const child = spawn(
          'sh',
          ['-c', `umask 0; exec "$0" "$1"`, process.execPath, join(installed, 'dist/main.js')],
          {
            ...{ cwd: '/', env: environment(settings), ...somebody },
            stdio: ['ignore', 'pipe', 'pipe'],
          },
        );
        onTestFinished(() => void child.kill('SIGKILL'));
        await listens(child);
        return child;
      };
      const first = await start();
      const backup = (name: string) => synclog(['backup', join(folder, name)], settings);
      expect(await backup('backup.db')).toMatchObject({ code: 0, stderr: '' });
      expect([modes(data), modes(join(data, 'made'))]).toEqual([{ made: 0o700 }, { here: 0o700 }]);
      const own = { 'synclog.db': 0o600, 'synclog.db-wal': 0o600, 'synclog.db-shm': 0o600, 'backup.db': 0o600 };
      expect(modes(folder)).toEqual(own);
      const doctor = async () => (await synclog(['doctor'], settings)).stdout;
      expect(await doctor()).not.toContain('any user of this machine');

      first.kill('SIGTERM');
      await once(first, 'exit');
      chmodSync(file, 0o644);
      const second = await start();
      expect(modes(folder)['synclog.db']).toBe(0o644);
      expect(await doctor()).not.toContain('any user of this machine'); // nobody enters the folder
      for (const each of [join(data, 'made'), folder, data]) chmodSync(each, 0o755);
      expect(await doctor()).toContain(`any user of this machine can read ${file}`);
      second.kill('SIGTERM');
      await once(second, 'exit');
      expect(modes(data)).toEqual({ made: 0o755 });
    },
  );

  test.runIf(provider === 'sqlite')('without the machine code of its driver has a doctor who says so', async () => {
    const place = mkdtempSync(join(tmpdir(), 'synclog-bare-'));
    onTestFinished(() => {
      execFileSync('chmod', ['-R', 'u+w', place]);
      rmSync(place, { recursive: true });
    });
    cpSync(join(folder, 'node_modules'), join(place, 'node_modules'), {
      recursive: true,
      filter: (path) => !/@libsql\/linux/.test(path),
    });
    const run = promisify(execFile)(
      process.execPath,
      [join(place, 'node_modules/synclog/bin/synclog.mjs'), 'doctor', '--json'],
      { env: environment({ DATABASE_URL: `file:${place}/synclog.db` }) },
    );
    const { code, stdout } = await run.then(() => ({ code: 0, stdout: '' })).catch((error) => error);
    expect(code).toBe(1);
    expect(stdout).toMatch(/"state":"problem","says":"the package libsql, [^"]+@libsql/);
  });

  test('says where a migration stands, and is up to date after the first', async () => {
    const settings = { DATABASE_URL: await databaseUrl(dataFolder()) };
    expect((await synclog(['migrate'], settings)).stdout).toMatch(
      /^(applied \d+_\w+\n)+The database is up to date\.\n$/,
    );
    expect((await synclog(['migrate'], settings)).stdout).toBe('The database was up to date already.\n');
  });
});

describe('a build', () => {
  /** A build of its own, as it would stand in a package. */
  function newPackage() {
    const place = mkdtempSync(join(tmpdir(), 'synclog-build-'));
    onTestFinished(() => rmSync(place, { recursive: true }));
    return { place, dist: join(place, 'dist') };
  }
  const buildTo = (...args: string[]) =>
    execFileSync(process.execPath, ['--import', 'tsx', 'build/command.ts', ...args], { cwd: root });

  test('leaves the modules that a running server has not loaded yet, for one build, unless it is to be clean', () => {
    const { dist } = newPackage();
    buildTo('--out', dist);
    const [first = ''] = readdirSync(dist).filter((name) => /^esm-\w{8}\.js$/.test(name));
    const former = first.replace(/-\w{8}/, '-FORMER00');
    const add = (name: string) => {
      cpSync(join(dist, first), join(dist, name));
      const list = join(dist, 'files.json');
      writeFileSync(list, JSON.stringify([...JSON.parse(readFileSync(list, 'utf8')), name]));
    };
    add(former);
    buildTo('--out', dist);
    expect(readdirSync(dist)).toContain(former);
    buildTo('--out', dist);
    expect(readdirSync(dist)).not.toContain(former);
    add(former);
    buildTo('--out', dist, '--clean');
    expect(readdirSync(dist)).not.toContain(former);
  });

  test('that stands alone says what belongs beside it', () => {
    const { place, dist } = newPackage();
    buildTo('--out', dist);
    const run = () => execFileSync(process.execPath, [join(dist, 'synclog.js'), '--version'], { stdio: 'pipe' });
    expect(run).toThrow(/There is no package\.json above/);
    cpSync(join(root, 'package.json'), join(place, 'package.json'));
    expect(String(run())).toBe(`${version}\n`);
  });
});

describe('the command synclog', () => {
  test('lists its commands, helps with each as it is typed here, and says its version', async () => {
    const { stdout } = await synclog(['--help'], {});
    expect((await synclog([], {})).stdout).toBe(stdout); // and starts nothing
    const names = [...stdout.matchAll(/^ {2}synclog ([a-z][a-z-]*)$/gm)].map(([, name = '']) => name);
    expect(names).toEqual(['start', 'migrate', 'api-key', 'backup', 'doctor']);
    for (const name of names) {
      const { code, stdout } = await synclog([name, '--help'], {});
      expect(code).toBe(0);
      expect(stdout).toContain(`\n  synclog ${name}`);
      expect(stdout).not.toContain('npm');
    }
    expect((await synclog(['--version'], {})).stdout).toBe(`${version}\n`);
  });

  test('refuses what is no command, with those that there are', async () => {
    expect(await synclog(['strat'], {})).toEqual({
      ...{ code: 2, stdout: '' },
      stderr: 'synclog: there is no command strat; there are start, migrate, api-key, backup, doctor (see --help)\n',
    });
    expect(await synclog(['--prot', '1'], {})).toMatchObject({ code: 2, stdout: '' });
  });

  test.runIf(provider === 'sqlite')(
    'keeps its data where it is typed, as it has no folder of its own to keep it in',
    async () => {
      const data = dataFolder();
      expect(await synclog(['migrate'], {}, data)).toMatchObject({ code: 0 });
      expect(existsSync(join(data, 'data/synclog.db'))).toBe(true);
    },
  );
});
