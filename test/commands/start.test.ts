import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { settingNames } from '../../src/settings/settings.ts';
import { newFileUrl } from '../support/database.ts';
import { lostOutput } from '../support/lost-output.ts';
import { unsetSettings } from '../support/unset-settings.ts';

const root = join(import.meta.dirname, '../..');

interface RunOptions {
  /** Of a shell that starts it. */
  readonly shell?: string;
  readonly settings?: Readonly<Record<string, string>>;
  readonly project?: string;
}

/** Runs a script as a process of its own until it ends by itself. */
function run(
  script: string,
  args: readonly string[],
  { settings = {}, project = root, shell = 'exec "$0" "$@"' }: RunOptions = {},
): Promise<{ code: unknown; stdout: string; stderr: string }> {
  return new Promise((resolve) =>
    execFile(
      'bash',
      ['-c', shell, process.execPath, '--import', 'tsx', join(project, script), ...args],
      { env: { ...process.env, ...unsetSettings, ...settings } },
      (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }),
    ),
  );
}

/** A server that has said where it listens. */
async function started(child: ChildProcess): Promise<{ url: string; lines: string[]; stop(): Promise<unknown> }> {
  const lines: string[] = [];
  const ended = once(child, 'close');
  const url = await new Promise<string>((resolve, reject) => {
    void ended.then(() => reject(new Error(`It ended before it listened: ${lines.join('\n')}`)));
    for (const stream of [child.stdout, child.stderr])
      if (stream)
        createInterface(stream).on('line', (line) => {
          lines.push(line);
          const [, found] = /Synclog listens on (http:\S+)/.exec(line) ?? [];
          if (found) resolve(found);
        });
  });
  const stop = async () => {
    child.kill('SIGTERM');
    return (await ended)[0];
  };
  onTestFinished(async () => void (await stop()));
  return { url, lines, stop };
}

function start(settings: Readonly<Record<string, string>>, { cwd = root, project = root } = {}) {
  return started(
    spawn(process.execPath, [join(project, 'bin/synclog.mjs'), 'start'], {
      cwd,
      env: { ...process.env, ...unsetSettings, PORT: '0', ...settings },
    }),
  );
}

/** A folder that goes with the test. */
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'synclog-start-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The project in a folder of its own. Packages, and the clients if they are wanted, are those of the original. */
function copyOfProject({ isGenerated = true } = {}): string {
  const folder = newFolder();
  const generated = join(root, 'src/db/generated');
  for (const part of ['src', 'bin', 'build', 'prisma', 'package.json', 'dist'])
    cpSync(join(root, part), join(folder, part), { recursive: true, filter: (path) => path !== generated });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  if (isGenerated) symlinkSync(generated, join(folder, 'src/db/generated'));
  return folder;
}

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** The commands that are programs of ours, as package.json has them: name, file, and what stands before any argument. */
const commands = Object.entries<string>(scripts).flatMap(([name, script]) => {
  const [, file] = /^node (?:--expose-gc )?--import tsx (?:--expose-gc )?(\S+)$/.exec(script) ?? [];
  const [, built] = /^node bin\/synclog\.mjs (\S+)$/.exec(script) ?? [];
  const found: [name: string, file: string, first: string[]][] = built
    ? [[name, 'src/cli/synclog.ts', [built]]]
    : file
      ? [[name, file, []]]
      : [];
  return found;
});

/** Those that whoever runs or extends Synclog uses; the others are for its tests and its bench. */
const ours = commands.filter(([, file]) => /^(src|prisma|build)\//.test(file));

beforeAll(() => void execFileSync(process.execPath, [join(root, 'bin/synclog.mjs'), '--version'], { stdio: 'ignore' }));

describe('every command', () => {
  test('is tried here', () => {
    expect(commands.map(([name]) => name)).toEqual(
      expect.arrayContaining([
        'start',
        'build',
        'demo',
        'api-key',
        'migrate',
        'backup',
        'migration',
        'schema',
        'bench',
      ]),
    );
  });

  test.each(commands)('%s helps when it is asked to, and does nothing else', async (name, file, first) => {
    const url = newFileUrl();
    const schema = readFileSync(join(root, 'schema.graphql'), 'utf8');
    for (const args of [['--help'], ['-h']]) {
      const { code, stdout, stderr } = await run(file, [...first, ...args], { settings: { DATABASE_URL: url } });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toContain(name === 'start' ? 'npm start' : `npm run ${name}`);
    }
    expect(existsSync(url.slice('file:'.length))).toBe(false);
    expect(readFileSync(join(root, 'schema.graphql'), 'utf8')).toBe(schema);
  });

  test.each(commands)('%s refuses an option that it does not know, with status 2', async (_name, file, first) => {
    const url = newFileUrl();
    const { code, stdout, stderr } = await run(file, [...first, '--prot', '1'], { settings: { DATABASE_URL: url } });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain("Unknown option '--prot'");
    expect(existsSync(url.slice('file:'.length))).toBe(false);
  });

  test.each(ours)('%s ends without a word where nobody reads its help any more', async (_name, file, first) => {
    const { code, stderr } = await run(file, [...first, '--help'], { shell: lostOutput.unread });
    expect({ code, stderr }).toEqual({ code: 141, stderr: '' });
  });

  test('says how to generate the database clients where they are missing, and helps', {
    timeout: 300_000,
  }, async () => {
    const project = copyOfProject({ isGenerated: false });
    for (const [file, ...args] of [
      ['src/main.ts'],
      ['src/demo/command.ts'],
      ['src/cli/synclog.ts', 'migrate'],
      ['src/cli/synclog.ts', 'api-key', 'list'],
      ['src/cli/print-schema.ts'],
      ['prisma/migration.ts', 'anything'],
    ] as const) {
      const { code, stdout, stderr } = await run(file, args, { project, settings: { DATABASE_URL: newFileUrl() } });
      expect({ code, stdout }, file).toEqual({ code: 1, stdout: '' });
      expect(stderr, file).toMatch(/^[^\n]*are not generated yet\. Run: npm run generate[^\n]*\n$/);
      expect((await run(file, [...args, '--help'], { project })).code, file).toBe(0);
    }
  });
});

describe('settings', () => {
  test.each([
    ['src/main.ts'],
    ['src/demo/command.ts'],
    ['src/cli/synclog.ts', 'migrate'],
    ['src/cli/synclog.ts', 'api-key', 'list'],
  ])(
    'that are wrong end %s %s before it does anything, with all mistakes on stderr and status 2',
    async (file, ...args) => {
      const settings = { PORT: 'http', LOG_LEVEL: 'loud', DATABASE_URL: newFileUrl() };
      const { code, stdout, stderr } = await run(file, args, { settings });
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(/^[^\n]*bad settings: PORT must be a whole number, 0 to 65535; LOG_LEVEL [^\n]*\n$/);
    },
  );

  test('with an address of another machine end it with the reason', async () => {
    const settings = { PORT: '0', HOST: '192.0.2.1', DATABASE_URL: newFileUrl() };
    const { code, stderr } = await run('src/main.ts', [], { settings });
    expect(code).toBe(1);
    expect(JSON.parse(stderr).msg).toMatch(/^Cannot listen: .+HOST must be an address of this machine\.$/);
  });

  test('with a database that cannot be opened end it with the reason and without a stack', async () => {
    const settings = { PORT: '0', DATABASE_URL: `file:${tmpdir()}` };
    const { code, stderr } = await run('src/main.ts', [], { settings });
    expect(code).toBe(1);
    expect(JSON.parse(stderr).msg).toMatch(/^The database file:.+ cannot be opened: .+$/);
  });

  test('migrate whatever becomes of the output, which is told', async () => {
    const url = newFileUrl();
    const { code, stderr } = await run('src/cli/synclog.ts', ['migrate'], {
      settings: { DATABASE_URL: url },
      shell: lostOutput.full,
    });
    expect(stderr).toMatch(/^migrate: The output cannot be written: ENOSPC.+\n$/);
    expect(code).toBe(1);
    expect((await run('src/cli/synclog.ts', ['migrate'], { settings: { DATABASE_URL: url } })).stdout).toContain(
      'already',
    );
  });

  test('with a mistyped name are told with the name that was meant, by the server and by the commands', async () => {
    const url = newFileUrl();
    const { lines } = await start({ DATABASE_URL: url, DATABSE_URL: 'x', SYNCLOG_RETENTION_DAYS: '3' });
    const doubts = lines.map((line) => JSON.parse(line)).filter(({ level }) => level === 40);
    expect(doubts.map(({ msg }) => msg).sort()).toEqual([
      'DATABSE_URL is no setting, so it counts for nothing. Did you mean DATABASE_URL?',
      'SYNCLOG_RETENTION_DAYS is no setting, so it counts for nothing. Did you mean RETENTION_DAYS?',
    ]);
    const { stderr, code } = await run('src/cli/synclog.ts', ['migrate'], {
      settings: { DATABASE_URL: url, PORTT: '1' },
    });
    expect({ stderr, code }).toEqual({
      stderr: 'migrate: PORTT is no setting, so it counts for nothing. Did you mean PORT?\n',
      code: 0,
    });
  });

  test('are read from .env where the environment does not have them', async () => {
    const project = copyOfProject();
    const url = newFileUrl();
    writeFileSync(join(project, '.env'), `\uFEFFDATABASE_URL="${url}"\r\nexport RETENTION_DAYS=7\nLOG_LEVEL=silent\n`);
    const environment = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !settingNames.includes(name)),
    );
    const child = spawn(process.execPath, [join(project, 'bin/synclog.mjs'), 'start'], {
      cwd: newFolder(),
      env: { ...environment, PORT: '0', LOG_LEVEL: 'info' },
    });
    const { lines } = await started(child);
    const opened = lines.map((line) => JSON.parse(line)).find(({ msg }) => msg === 'opened the database');
    expect(opened).toMatchObject({ database: url, retentionDays: 7 });
  });

  test.each<[string, string, (path: string) => void]>([
    ['is a folder', 'it is no regular file', (path) => mkdirSync(path)],
    ['is a pipe, which nobody writes', 'it is no regular file', (path) => execFileSync('mkfifo', [path])],
    ['leads nowhere', 'ENOENT: .+', (path) => symlinkSync('nowhere', path)],
    ['has a line that is none', 'line 2 is no NAME=value; .+', (path) => writeFileSync(path, 'A=1\nDATABASE_URL\n')],
  ])('in a .env that %s end every command with status 2', async (_, reason, make) => {
    const project = copyOfProject();
    make(join(project, '.env'));
    const { code, stderr } = await run('src/cli/synclog.ts', ['migrate'], {
      project,
      settings: { DATABASE_URL: newFileUrl() },
    });
    expect(code).toBe(2);
    expect(stderr).toMatch(new RegExp(`^migrate: The file \\.env cannot be read: ${reason} \\(see --help\\)\n$`));
  });
});

describe('what was built', () => {
  const version = (project: string) =>
    new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) =>
      execFile(process.execPath, [join(project, 'bin/synclog.mjs'), '--version'], (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, stdout, stderr }),
      ),
    );
  const withoutTools = () => {
    const project = copyOfProject();
    rmSync(join(project, 'node_modules'));
    const now = Date.now() / 1_000;
    utimesSync(join(project, 'src/main.ts'), now + 60, now + 60);
    return project;
  };

  test('runs where it is older than the source and cannot be built anew, which is told', async () => {
    const { code, stdout, stderr } = await version(withoutTools());
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
    expect(stderr).toContain('cannot be built here; runs what was built before');
  });

  test('is missed where it is not there and cannot be made', async () => {
    const project = withoutTools();
    rmSync(join(project, 'dist'), { recursive: true });
    const { code, stderr } = await version(project);
    expect(code).toBe(1);
    expect(stderr).toContain('cannot be built here; run `npm ci`');
  });
});

describe('the server', () => {
  test('starts from any folder, and its relative paths begin in its own', async () => {
    const project = copyOfProject();
    const cwd = newFolder();
    const { url, stop } = await start({}, { cwd, project });
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    // What it has counted up to now: since its start, and not since the first that asks.
    const counts = async () => (await fetch(`${url}/metrics`)).text();
    await expect.poll(counts).toMatch(/nodejs_gc_duration_seconds_count\{[^}]+\} [1-9]/);
    expect(existsSync(join(project, 'data/synclog.db'))).toBe(true);
    expect(existsSync(join(cwd, 'data'))).toBe(false);
    expect(await stop()).toBe(0);
  });

  test('logs JSON alone, with times in ISO 8601, from its first line to its last', async () => {
    const { lines, stop } = await start({ DATABASE_URL: newFileUrl() });
    await expect.poll(() => lines.length).toBe(4);
    expect(await stop()).toBe(0);
    const entries = lines.map((line) => JSON.parse(line));
    expect(entries.map(({ msg }) => msg)).toEqual([
      'migrated the database',
      'opened the database',
      expect.stringMatching(/^Synclog listens on http:\S+ \(GraphQL and GraphiQL at http:\S+\/graphql\)$/),
      expect.stringContaining('npm run api-key -- create'),
      expect.stringContaining('stops'),
    ]);
    for (const { time } of entries) expect(new Date(time).toISOString()).toBe(time);
  });

  test('says where it listens whatever LOG_LEVEL says', async () => {
    const { lines } = await start({ DATABASE_URL: newFileUrl(), LOG_LEVEL: 'silent' });
    expect(lines).toHaveLength(1);
  });
});
