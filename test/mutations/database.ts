import type { Area } from './fault.ts';

const pool = 'src/db/postgres-pool.ts';
const sessions = ['test/db/given-up.test.ts'];
const services = ['test/process/open-services.test.ts'];
const opened = ['test/lib/opened.test.ts'];

/** How long anything may take in the database, what a session keeps, and how what works on it is opened and closed. */
export const database: Area = {
  name: 'database',
  tests: ['test/db/given-up.test.ts'],
  faults: [
    {
      breaks: 'a row that somebody keeps locked is waited for',
      file: pool,
      find: 'lock_timeout: 2_000,',
      replace: 'lock_timeout: 0,',
      tests: sessions,
    },
    {
      breaks: 'a statement may take any time',
      file: pool,
      find: 'statement_timeout: 8_000,',
      replace: 'statement_timeout: 0,',
      tests: sessions,
    },
    {
      breaks: 'a transaction may be silent for any time',
      file: pool,
      find: 'idle_in_transaction_session_timeout: 5_000,',
      replace: 'idle_in_transaction_session_timeout: 0,',
      tests: sessions,
    },
    {
      breaks: 'a connection on which nothing is heard is waited for',
      file: pool,
      find: '    query_timeout: QUERY_TIMEOUT_MS,\n',
      replace: '',
      tests: sessions,
    },
    {
      breaks: 'suspicious connections are kept',
      file: pool,
      find: 'const timer = setTimeout(() => void dropIdle(pool), SUSPICIOUS_MS).unref();',
      replace: 'const timer = setTimeout(() => {}, SUSPICIOUS_MS).unref();',
      tests: sessions,
    },
    {
      breaks: 'a change that failed on Postgres is not rolled back',
      file: 'src/db/postgres-change.ts',
      find: "isLost = await client.query('ROLLBACK').then(\n      () => false,\n      () => true,\n    );",
      replace: 'isLost = false;',
      tests: ['test/process/database.test.ts'],
      project: 'postgresql',
    },
    {
      breaks: 'a prepared statement that does not hold any more is used again',
      file: 'src/db/open-postgres.ts',
      find: 'isTemporary: (error) => isCollision(error) || isStale(error),',
      replace: 'isTemporary: isCollision,',
      tests: ['test/db/postgres-sessions.test.ts'],
    },
    {
      breaks: 'a prepared statement of somebody else with the name of ours fails a change',
      file: 'src/db/faults.ts',
      find: "['26000', '42P05', '0A000']",
      replace: "['26000', '0A000']",
      tests: ['test/db/postgres-sessions.test.ts'],
    },
    {
      breaks: 'prepared statements may walk through tables that have grown',
      file: 'src/db/postgres-change.ts',
      find: "set_config('enable_seqscan', 'off', true)",
      replace: "set_config('enable_seqscan', 'on', true)",
      tests: ['test/db/postgres-sessions.test.ts'],
    },
    {
      breaks: 'a link to the SQLite file that leads elsewhere is not noticed',
      file: 'src/db/sqlite-presence.ts',
      find: 'if (this.#name !== undefined) this.#checkName(this.#name);',
      replace: '',
      tests: ['test/db/sqlite-file-gone.test.ts'],
    },
    {
      breaks: 'a SQLite file with two names is opened',
      file: 'src/db/sqlite-file.ts',
      find: '  refuseOtherNames(path);\n',
      replace: '',
      tests: ['test/db/sqlite-file-gone.test.ts'],
    },
    {
      breaks: 'a change that failed on SQLite is not rolled back',
      file: 'src/db/sqlite-change.ts',
      find: "if (connection.inTransaction) connection.exec('ROLLBACK');",
      replace: '',
      tests: ['test/process/database.test.ts'],
    },
    {
      breaks: 'a change that failed on SQLite leaves what it has done so far',
      file: 'src/db/sqlite-change.ts',
      find: "if (connection.inTransaction) connection.exec('ROLLBACK');",
      replace: "if (connection.inTransaction) connection.exec('COMMIT');",
      tests: ['test/process/database.test.ts'],
    },
    {
      breaks: 'services that cannot be opened leave others open',
      file: 'src/open-services.ts',
      find: '    await opened.close().catch(() => {});',
      replace: '',
      tests: services,
    },
    {
      breaks: 'the log is not waited for when the services close',
      file: 'src/open-services.ts',
      find: 'const log = opened.add(openEventLog({ database, projections, awaitsUsers, limits, clock, onError, doorbell }));',
      replace:
        'const log = openEventLog({ database, projections, awaitsUsers, limits, clock, onError, doorbell });\n  opened.add({ close: () => void log.close() });',
      tests: services,
    },
    {
      breaks: 'the database is closed before what works on it',
      file: 'src/lib/opened.ts',
      find: 'for (let part = this.#parts.pop(); part; part = this.#parts.pop())',
      replace: 'for (let part = this.#parts.shift(); part; part = this.#parts.shift())',
      tests: opened,
    },
    {
      breaks: 'nothing is waited for that is closed',
      file: 'src/lib/opened.ts',
      find: 'await part.close();',
      replace: 'part.close();',
      tests: opened,
    },
    {
      breaks: 'what cannot be closed leaves open what was opened before',
      file: 'src/lib/opened.ts',
      find: 'failures.push(error);',
      replace: 'throw error;',
      tests: opened,
    },
    {
      breaks: 'a SQLite file is not read again after a write that has failed',
      file: 'src/db/open-sqlite.ts',
      find: '    reading.leave();',
      replace: '    reading.close();',
      tests: ['test/db/sqlite.test.ts'],
    },
    {
      breaks: 'a SQLite file from which only single statements were read stays open',
      file: 'src/db/open-sqlite.ts',
      find: '      reading.close(); // Prisma disconnects only what it has connected\n',
      replace: '',
      tests: ['test/process/shutdown.test.ts'],
    },
  ],
};
