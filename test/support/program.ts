import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Debian puts some programs where the path of a user who is not root does not lead. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'];
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
}

/** Whether a program is on this machine. In CI it has to be; elsewhere its absence is said loudly. */
export function hasProgram(name: string, debianPackage = name): boolean {
  if (findProgram(name)) return true;
  if (process.env.CI === 'true') throw new Error(`${name} is not on the path, and in CI its tests may not be skipped`);
  process.stderr.write(
    `\n*** NO ${name} ON THE PATH: its tests are SKIPPED (apt-get install ${debianPackage}) ***\n\n`,
  );
  return false;
}
