import type pg from 'pg';

/** How whatever migrates a Postgres connects to it; it may take five seconds to let us in. */
export function migrationConnection(url: string): pg.ClientConfig {
  return { connectionString: url, application_name: 'synclog migrations', connectionTimeoutMillis: 5_000 };
}
