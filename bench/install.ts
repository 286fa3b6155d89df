import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** A line for whoever waits; results go to stdout, and lines like this to stderr. */
export type Progress = (line: string) => void;

interface PackageFile {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const packageIn = (folder: string): PackageFile =>
  JSON.parse(readFileSync(join(import.meta.dirname, folder, 'package.json'), 'utf8'));

/**
 * Installs the packages of the bench if they are not there in the versions of its package.json.
 * @param native also the driver that is compiled, which everything about SQLite needs; that takes minutes where there is
 *   no binary for this version of Node
 * @throws when npm fails
 */
export function installPackages({ native }: { readonly native: boolean }, say: Progress): void {
  const { dependencies, devDependencies } = packageIn('.');
  const missing = Object.entries({ ...dependencies, ...devDependencies })
    .filter(([name, version]) => installedVersion(name) !== version)
    .map(([name]) => name);
  if (missing.length > 0) {
    say(`installing the packages of bench/ (${missing.join(', ')})`);
    // Inside `npm run`, the strictness of the product's .npmrc would hold here, too, where peers name newer versions of Node.
    npm(['ci', '--engine-strict=false', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  }
  if (native && !canLoadSqlite()) {
    say('installing the binary of better-sqlite3, or compiling it: this may take minutes');
    npm(['rebuild', 'better-sqlite3', '--loglevel=error']);
  }
}

/** What the bench needs is not there, and cannot be had now. npm has said why. */
export class InstallError extends Error {}

/** What lies in bench/node_modules; undefined if nothing does. */
function installedVersion(name: string): string | undefined {
  try {
    return packageIn(`node_modules/${name}`).version;
  } catch {
    return undefined;
  }
}

/** A binary is good for one version of Node only, so it is tried. */
function canLoadSqlite(): boolean {
  try {
    const Sqlite = createRequire(import.meta.url)('better-sqlite3');
    new Sqlite(':memory:').close();
    return true;
  } catch {
    return false;
  }
}

function npm(args: readonly string[]): void {
  try {
    // npm's output is no result; its errors are for whoever waits.
    execFileSync('npm', args, { cwd: import.meta.dirname, stdio: ['ignore', 'ignore', 'inherit'] });
  } catch {
    throw new InstallError(`The packages of bench/ are not installed, and \`npm ${args.join(' ')}\` in bench/ failed`);
  }
}

// As a command: what types need, and nothing native.
if (process.argv[1] === import.meta.filename)
  try {
    installPackages({ native: false }, (line) => console.error(line));
  } catch (error) {
    console.error(error instanceof InstallError ? error.message : error);
    process.exitCode = 1;
  }
