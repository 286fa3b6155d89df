import { execFile } from 'node:child_process';
import { appendFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Provider } from '../../src/db/database.ts';
import { prismaFolder } from '../../src/db/schema-text.ts';

/** A copy of prisma/, which a test may change. */
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'synclog-prisma-'));
  cpSync(prismaFolder, folder, { recursive: true });
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
});

/** Runs the command on the copy. */
function migration(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  return new Promise((resolve) =>
    execFile(
      process.execPath,
      ['--import', 'tsx', join(import.meta.dirname, '../../prisma/migration.ts'), '--prisma', folder, ...args],
      (error, stdout, stderr) => resolve({ status: Number(error?.code ?? 0), stdout, stderr }),
    ),
  );
}

const migrationsOf = (provider: Provider) =>
  readdirSync(join(folder, 'migrations', provider)).filter((name) => !name.endsWith('.toml'));

describe('npm run migration', () => {
  test('writes the next migration of both databases, and then finds that nothing has changed', async () => {
    const before = migrationsOf('sqlite').length;
    appendFileSync(
      join(folder, 'schema.prisma'),
      `model Device {
        id     String   @id
        userId String   @map("user_id")
        seenAt DateTime @map("seen_at")
        facts  Json

        @@map("device")
      }`,
    );
    const first = await migration('add_device');
    expect({ status: first.status, stderr: first.stderr }).toEqual({ status: 0, stderr: '' });

    const written = (['sqlite', 'postgresql'] as const).map((provider) => {
      const names = migrationsOf(provider).sort();
      expect(names).toHaveLength(before + 1);
      const newest = names.at(-1) ?? '';
      expect(newest).toMatch(/^\d{14}_add_device$/);
      expect(first.stdout).toContain(join('migrations', provider, newest, 'migration.sql'));
      return readFileSync(join(folder, 'migrations', provider, newest, 'migration.sql'), 'utf8');
    });
    const [sqlite, postgresql] = written;
    for (const sql of written) expect(sql.match(/CREATE TABLE/g)).toHaveLength(1);
    expect(sqlite).toContain('"seen_at" DATETIME NOT NULL');
    expect(postgresql).toContain('"user_id" UUID NOT NULL');
    expect(postgresql).toContain('"seen_at" TIMESTAMPTZ(3) NOT NULL');
    expect(postgresql).toContain('"facts" JSONB NOT NULL');

    expect(await migration('again')).toEqual({
      status: 0,
      stdout: 'Nothing has changed: the migrations produce what the models say.\n',
      stderr: '',
    });
    expect(migrationsOf('sqlite')).toHaveLength(before + 1);
  }, 120_000);

  test.each([
    [[], 'the name of the migration is missing'],
    [['add_one', 'add_two'], 'one name is enough'],
    [['../up'], 'not "../up"'],
    [['Add_Device'], 'not "Add_Device"'],
    [['--loud'], "Unknown option '--loud'"],
  ])('says in one line what is wrong with %j', async (args, words) => {
    const { status, stdout, stderr } = await migration(...args);
    expect(stderr).toMatch(/^migration: .+ \(see --help\)\n$/);
    expect(stderr).toContain(words);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });

  test('refuses a name that is taken, and says what the models do not allow', async () => {
    const before = migrationsOf('postgresql');
    expect(await migration('init')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^migration: There is a migration \d+_init already\n$/),
    });
    appendFileSync(join(folder, 'schema.prisma'), 'model Broken { name Nonsense }\n');
    const { status, stderr } = await migration('broken');
    expect(status).toBe(1);
    expect(stderr).toContain('Nonsense');
    expect(migrationsOf('postgresql')).toEqual(before);
  });

  test('explains itself', async () => {
    const { status, stdout } = await migration('--help');
    expect(status).toBe(0);
    expect(stdout).toContain('npm run migration -- NAME');
  });
});
