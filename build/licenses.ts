import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../src/lib/package-folder.ts';

/** A package whose code is in the build, at its place such as `node_modules/hono`. */
interface Bundled {
  readonly folder: string;
  readonly name: string;
  readonly version: string;
  readonly license: string;
}

/** The packages that these files belong to, each once, by name. @throws Error for one that names no license */
export function packagesOf(files: readonly string[]): Bundled[] {
  const folders = files.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file) ?? []);
  return [...new Set(folders)].map(read).sort((a, b) => a.name.localeCompare(b.name, 'en'));
}

function read(folder: string): Bundled {
  const { name, version, license } = JSON.parse(readFileSync(join(packageFolder, folder, 'package.json'), 'utf8'));
  if (typeof license !== 'string') throw new Error(`${name} ${version} names no license`);
  return { folder, name, version, license };
}

/** What the licenses of packages want to be handed on with their code. */
export function licenseTexts(packages: readonly Bundled[]): string {
  const parts = packages.map(({ folder, name, version, license }) => {
    const files = readdirSync(join(packageFolder, folder)).filter((file) => /^(licen[cs]e|notice)/i.test(file));
    const texts = files.map((file) => readFileSync(join(packageFolder, folder, file), 'utf8').trim());
    return [`${name} ${version}: ${license}`, ...texts].join('\n\n');
  });
  return `The packages whose code is in this build, with their licenses.\n\n${parts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}
