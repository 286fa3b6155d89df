import { readFileSync } from 'node:fs';

/** The version of this release, such as `0.1.0`. */
export function release(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return version;
}
