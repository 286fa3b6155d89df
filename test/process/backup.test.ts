import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, linkSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createDatabase, newFileUrl, openAgain, openNewDatabase, provider } from '../support/database.ts';
import { startServer } from '../support/server.ts';

/** The command as a process of its own, with arguments and further settings. */
function backup(url: string, ...given: (string | Record<string, string>)[]) {
  const args = given.filter((each) => typeof each === 'string');
  const settings = Object.assign({}, ...given.filter((each) => typeof each === 'object'));
  return new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) =>
    execFile(
      process.execPath,
      ['--import', 'tsx', 'src/cli/synclog.ts', 'backup', ...args],
      { env: { ...process.env, DATABASE_URL: url, ...settings } },
      (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }),
    ),
  );
}

const pathOf = (url: string) => url.slice('file:'.length);
const newFolder = () => dirname(pathOf(newFileUrl()));

describe.runIf(provider === 'sqlite')('a SQLite file', () => {
  test('is the whole database once it is closed', async () => {
    const { url, database } = await openNewDatabase();
    for (let n = 0; n < 20; n += 1) {
      await database.transaction((transaction) => transaction.source.create({ data: { name: `source ${n}` } }));
      await database.reader.source.count();
    }
    await database.close();
    const copy = `${pathOf(url)}.copy`;
    copyFileSync(pathOf(url), copy);
    expect(await (await openAgain(`file:${copy}`)).reader.source.count()).toBe(20);
    const log = statSync(`${pathOf(url)}-wal`, { throwIfNoEntry: false });
    expect(log?.size ?? 0).toBe(0);
  });

  test('is copied while a server records into it, as it was at one moment', async () => {
    const server = await startServer();
    onTestFinished(() => server.close());
    const userId = await server.user();
    await server.record(...Array.from({ length: 50 }, () => ({ userId })));
    let isRecording = true;
    const recorder = (async () => {
      while (isRecording) await server.record({ userId }, { userId });
    })();
    const file = join(newFolder(), 'a copy.db');
    expect(await backup(server.databaseUrl, file)).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^Wrote .+a copy\.db \([\d,]+ bytes\)\.\n$/),
      stderr: '',
    });
    isRecording = false;
    await recorder;

    const { reader } = await openAgain(`file:${file}`);
    const [user] = await reader.user.findMany();
    const events = await reader.syncEvent.count();
    expect(events).toBeGreaterThanOrEqual(50);
    expect(events % 2).toBe(0);
    expect(user).toMatchObject({ id: userId, headSequence: events });
    expect(await reader.$queryRaw`PRAGMA integrity_check`).toEqual([{ integrity_check: 'ok' }]);
    expect(readdirSync(dirname(file)).filter((name) => name.includes('part'))).toEqual([]);
  });
});

describe('npm run backup', () => {
  test.each([
    [[], 'the FILE to make is missing'],
    [['a', 'b'], 'one FILE is enough'],
    [['--all', 'a'], "Unknown option '--all'"],
    [[' '], 'the name of the FILE is blank'],
    [['-'], 'a backup is not written to stdout'],
    [['new/'], 'new/ names a folder'],
  ])('says in one line what is wrong with %j', async (args, words) => {
    const { code, stdout, stderr } = await backup(newFileUrl(), ...args);
    expect(stderr).toMatch(/^backup: .+ \(see --help\)\n$/);
    expect(stderr).toContain(words);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  test('explains itself', async () => {
    const { code, stdout } = await backup(newFileUrl(), '--help');
    expect(code).toBe(0);
    expect(stdout).toContain('npm run backup -- FILE');
  });

  test.runIf(provider === 'sqlite')('replaces nothing, makes no folder and no database', async () => {
    const { url } = await openNewDatabase();
    const taken = join(newFolder(), 'taken.db');
    writeFileSync(taken, 'mine');
    const missing = newFileUrl();
    const nothing = newFileUrl();
    writeFileSync(pathOf(nothing), '');
    const tooLong = join(newFolder(), 'x'.repeat(300));
    const second = join(newFolder(), 'second.db');
    linkSync(pathOf((await openNewDatabase()).url), second);
    const cases: [string, string, string][] = [
      [url, taken, `backup: ${taken} exists already; a backup replaces nothing\n`],
      [url, pathOf(url), `backup: ${pathOf(url)} exists already; a backup replaces nothing\n`],
      [url, join(newFolder(), 'no', 'x.db'), 'does not exist\n'],
      [`file:${second}`, join(newFolder(), 'x.db'), `the file has 2 names (hard links)`],
      [nothing, join(newFolder(), 'x.db'), `backup: There is nothing to back up in ${nothing}: it has no tables\n`],
      [url, tooLong, 'cannot be made: its name is too long\n'],
      [url, join(tooLong, 'x.db'), 'cannot be made: its name is too long\n'],
      [missing, join(newFolder(), 'x.db'), `backup: There is no database at ${missing}\n`],
    ];
    for (const [from, to, words] of cases) {
      const { code, stderr } = await backup(from, to);
      expect(stderr).toContain(words);
      expect([code, stderr.split('\n').length]).toEqual([1, 2]);
    }
    expect(readFileSync(taken, 'utf8')).toBe('mine');
    expect(existsSync(pathOf(missing))).toBe(false);
    expect(cases.flatMap(([, to]) => (to === tooLong ? readdirSync(dirname(to)) : []))).toEqual([]);
  });

  test.runIf(provider === 'sqlite')('takes the longest name that a file can have', async () => {
    const { url } = await openNewDatabase();
    const file = join(newFolder(), 'x'.repeat(255));
    expect(await backup(url, file)).toMatchObject({ code: 0, stderr: '' });
    expect(readdirSync(dirname(file))).toEqual(['x'.repeat(255)]);
  });

  test.runIf(provider === 'sqlite')('tells a setting that is mistyped', async () => {
    const { url } = await openNewDatabase();
    const { code, stderr } = await backup(url, join(newFolder(), 'x.db'), { DATABASE_URLL: url });
    expect(stderr).toBe('backup: DATABASE_URLL is no setting, so it counts for nothing. Did you mean DATABASE_URL?\n');
    expect(code).toBe(0);
  });

  test.runIf(provider === 'postgresql')('says how a Postgres is backed up', async () => {
    const { url, drop } = await createDatabase();
    onTestFinished(drop);
    const { code, stderr } = await backup(url, join(newFolder(), 'x.dump'));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^backup: .+ is a Postgres.+pg_dump --format=custom --file=.+\n$/);
    expect(stderr).not.toContain(`:${new URL(url).password}@`);
  });
});
