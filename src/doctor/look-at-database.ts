import { existsSync } from 'node:fs';
import type { Config } from '../config.ts';
import { readMigrationState } from '../db/migrations.ts';
import { providerOf } from '../db/open-database.ts';
import { sqlitePath } from '../db/sqlite-path.ts';
import { reasonOf } from '../lib/outages.ts';
import { asTyped } from '../lib/package-folder.ts';
import { type Finding, findingsOf } from './finding.ts';
import { lookAtApiKeys } from './look-at-api-keys.ts';
import { lookAtSqliteDriver, lookAtSqliteFile } from './look-at-sqlite.ts';

const { ok, warning, problem } = findingsOf('database');
/** As the server's own sessions have it, so that what is asked is asked as they would. */
const session = {
  name: 'synclog doctor',
  timeouts: { lock_timeout: 2_000, statement_timeout: 8_000, idle_in_transaction_session_timeout: 5_000 },
};

/** Whether the database is there, lets us do what is needed, and has the schema of this release. Changes nothing. */
export async function lookAtDatabase(config: Config): Promise<Finding[]> {
  const { databaseUrl: url, databaseDirectUrl } = config;
  if (providerOf(url) === 'sqlite') {
    const path = sqlitePath(url);
    const file = [...(await lookAtSqliteDriver()), ...lookAtSqliteFile(path)];
    const isThere = existsSync(path) && file.every(({ state }) => state !== 'problem');
    return isThere ? [...file, ...(await schema(url))] : file;
  }
  try {
    const { openSession, reachPostgres } = await import('../db/postgres-target.ts');
    const { lookAtPostgres } = await import('./look-at-postgres.ts');
    const opened = await openSession(await reachPostgres(url), session);
    const findings = await lookAtPostgres(opened, url, {
      hasWayAround: Boolean(databaseDirectUrl ?? config.redisUrl),
    }).finally(() => opened.end());
    return [...findings, ...(await schema(databaseDirectUrl ?? url))];
  } catch (error) {
    return [problem(reasonOf(error), 'see that it runs there, and that DATABASE_URL says how it is reached')];
  }
}

async function schema(url: string): Promise<Finding[]> {
  try {
    const { pending, warning: newer } = await readMigrationState(url);
    if (newer !== undefined)
      return [warning(newer, 'let all instances be of one release'), ...(await lookAtApiKeys(url))];
    if (pending.length === 0) return [ok('its schema is that of this release'), ...(await lookAtApiKeys(url))];
    const text = `it lacks ${pending.length} migrations, the first of which is ${pending[0]}`;
    return [
      warning(
        text,
        `the server applies them when it starts, as does \`${asTyped('npm run migrate')}\`; make a backup first`,
      ),
    ];
  } catch (error) {
    return [
      problem(
        reasonOf(error),
        'a database that cannot be migrated is left as it is; README.md says how one goes back to a backup',
      ),
    ];
  }
}
