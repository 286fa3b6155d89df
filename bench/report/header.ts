import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';

/** Packages that decide about the figures, and the folder that they are installed in. */
const measured = {
  '..': ['graphql', 'graphql-yoga', '@pothos/core', '@prisma/client', '@libsql/client', 'pg', 'graphql-ws', 'ws'],
  '.': ['mercurius', 'graphql-jit', 'fastify', '@apollo/server', 'better-sqlite3', 'undici'],
} as const;

/** What the figures are of, as a list in Markdown. @param databases such as `SQLite 3.50` */
export function header(databases: readonly string[]): string {
  const cores = cpus();
  const packages = (folder: keyof typeof measured) =>
    measured[folder].map((name) => `${name} ${versionOf(folder, name)}`).join(', ');
  return [
    `- Synclog ${commit()}, Node ${process.version}, ${new Date().toISOString().slice(0, 10)}`,
    `- ${cores.length} cores of ${cores[0]?.model ?? 'a CPU that it does not name'}; servers on one, load and database on another`,
    `- ${databases.join(', ')}`,
    `- Both: ${packages('..')}`,
    `- Peers and load: ${packages('.')}`,
  ].join('\n');
}

function versionOf(folder: string, name: string): string {
  const file = join(import.meta.dirname, '..', folder, 'node_modules', name, 'package.json');
  return JSON.parse(readFileSync(file, 'utf8')).version;
}

/** The commit that is checked out; a copy without its history has none. */
function commit(): string {
  try {
    const git = ['-c', 'safe.directory=*', 'describe', '--always', '--dirty', '--exclude=*'];
    return execFileSync('git', git, { cwd: import.meta.dirname, encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return 'without a commit';
  }
}
