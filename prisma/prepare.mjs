// What `npm ci` ends with: the database clients are generated, where the tools for it are installed. `npm ci --omit=dev` leaves
// them out, and what runs a build needs none. The script is `postprepare`, which npm runs in a checkout alone: of a package with a
// `prepare` that is installed from a file, npm warns whoever installs it.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

const isInstalled = (name) => {
  try {
    return Boolean(createRequire(import.meta.url).resolve(name));
  } catch {
    return false;
  }
};

if (['prisma/package.json', 'tsx'].every(isInstalled))
  process.exit(spawnSync('npm', ['run', '--silent', 'generate'], { stdio: 'inherit' }).status ?? 1);
