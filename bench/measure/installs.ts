import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '../..');

/** What has to be on the disk for a server to run: its own files, and packages. */
export interface Install {
  readonly packages: number;
  readonly bytes: number;
}

/** What a lockfile says of a package. */
interface Locked {
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/** The build, and what `npm ci --omit=dev` leaves on this machine. */
export function builtInstall(): Install {
  const packages = Object.entries(lockedPackages())
    .filter(([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional && isThere(path))
    .map(([path]) => path);
  const files: string[] = JSON.parse(readFileSync(join(root, 'dist/files.json'), 'utf8'));
  const own = files.map((file) => join('dist', file)); // beside them a build leaves those of the one before
  return { packages: packages.length, bytes: bytesOf([...own, ...packages]) };
}

/**
 * The source, the packages that it loads or may load, tsx, which compiles it, and Prisma, which generates a part of it, with all
 * that those depend on. Tools of tests and checks are not in it.
 */
export async function sourceInstall(): Promise<Install> {
  const packages = closureOf([...(await loadedPackages()), 'swagger-ui-dist', 'tsx', 'prisma']);
  return { packages: packages.length, bytes: bytesOf(['src', 'prisma', ...packages]) };
}

/** The names of packages that modules of the source import, without those of which they take types alone. */
async function loadedPackages(): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['src/main.ts', 'src/cli/synclog.ts'],
    outdir: 'nowhere',
    bundle: true,
    splitting: true,
    write: false,
    metafile: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
  const external = Object.values(metafile.inputs)
    .flatMap(({ imports }) => imports)
    .filter((each) => each.external && !each.path.startsWith('node:'))
    .map(({ path }) => /^(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? path);
  return [...new Set(external)];
}

/** Where these packages are, and all that they depend on. */
function closureOf(names: readonly string[]): string[] {
  const locked = lockedPackages();
  const found = new Set<string>();
  const visit = (name: string, from: string): void => {
    const path = placeOf(name, from, locked);
    if (path === undefined || found.has(path) || !isThere(path)) return; // of another machine, or optional
    found.add(path);
    const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = locked[path] ?? {};
    const peers = Object.keys(peerDependencies ?? {}).filter((peer) => !peerDependenciesMeta?.[peer]?.optional);
    for (const each of [...Object.keys({ ...dependencies, ...optionalDependencies }), ...peers]) visit(each, path);
  };
  for (const name of names) visit(name, '');
  return [...found];
}

/** Where Node finds a package that another one asks for: in its own folder, or in the nearest above. */
function placeOf(name: string, from: string, locked: Readonly<Record<string, Locked>>): string | undefined {
  const path = join(from, 'node_modules', name);
  if (locked[path]) return path;
  return from === ''
    ? undefined
    : placeOf(name, from.slice(0, Math.max(0, from.lastIndexOf('/node_modules/'))), locked);
}

function lockedPackages(): Record<string, Locked> {
  return JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
}

function isThere(path: string): boolean {
  return lstatSync(join(root, path), { throwIfNoEntry: false }) !== undefined;
}

/** Bytes of files, and of folders without the packages in them, which are named themselves. */
function bytesOf(paths: readonly string[]): number {
  return paths.reduce((sum, path) => {
    const { size } = lstatSync(join(root, path));
    const entries = lstatSync(join(root, path)).isDirectory() ? readdirSync(join(root, path)) : undefined;
    return (
      sum +
      (entries ? bytesOf(entries.filter((name) => name !== 'node_modules').map((name) => join(path, name))) : size)
    );
  }, 0);
}
