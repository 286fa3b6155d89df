import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type Fault, plantIn } from './fault.ts';

export const root = join(import.meta.dirname, '../..');

/** The clients that are generated: the product needs them, and git does not know them. */
const generated = 'src/db/generated';
/** Vite writes there what it knows of a project, so each copy has one of its own. */
const cacheOfVite = '.vite';

/** A copy of the working tree: what git knows or would take, the generated clients, and links to the installed packages. */
export function copyTree(folder: string): void {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root });
  for (const path of listed
    .toString()
    .split('\0')
    .filter((each) => each && existsSync(join(root, each)))) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    copyFileSync(join(root, path), join(folder, path));
  }
  cpSync(join(root, generated), join(folder, generated), { recursive: true });
  const packages = join(root, 'node_modules');
  mkdirSync(join(folder, 'node_modules'));
  for (const name of readdirSync(packages).filter((each) => each !== cacheOfVite))
    symlinkSync(join(packages, name), join(folder, 'node_modules', name));
}

/** Plants a fault in a copy. @returns what takes it back */
export function plant(folder: string, fault: Fault): () => void {
  const path = join(folder, fault.file);
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, plantIn(text, fault));
  return () => writeFileSync(path, text);
}
