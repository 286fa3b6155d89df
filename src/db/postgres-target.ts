import type pg from 'pg';
import { AppError } from '../errors.ts';
import { reasonOf } from '../lib/outages.ts';
import { PostgresSession } from './postgres-session.ts';
import { type Encryption, encryptionsOf } from './postgres-tls.ts';
import { nameOfPostgres, type PostgresUrl, readPostgresUrl } from './postgres-url.ts';
import { type SessionTimeouts, settingsStatement } from './session-settings.ts';

/** A Postgres that has been reached, as everything else connects to it. */
export interface PostgresTarget {
  /** Where it is and how the connection is encrypted. */
  readonly address: pg.ClientConfig;
  /** Where all tables are: the one schema that raw SQL, Prisma, migrations and wake-ups use. */
  readonly schema: string;
  readonly connectTimeoutMs: number | undefined;
  /** In lists of connections, unless the URL names another. */
  readonly applicationName: string | undefined;
}

/** How long a Postgres may take to let us in, for the first time. */
const FIRST_CONNECT_MS = 5_000;
/** And later, before it counts as away; no request waits longer for a connection. */
export const CONNECT_TIMEOUT_MS = 3_000;
/** For a client of Postgres that the network may have lost: silence before it is asked whether it is there. */
const KEEP_ALIVE_MS = 10_000;

/**
 * Connects to a Postgres for the first time, to find out how it is encrypted and in which schema the tables are: the one
 * that the URL names; else, along the `search_path` of the role, that of the tables that are there or else the first.
 * @throws AppError UNAVAILABLE when it cannot be reached, with the reason.
 */
export async function reachPostgres(url: string): Promise<PostgresTarget> {
  const read = readPostgresUrl(url);
  try {
    let refused: unknown;
    for (const ssl of encryptionsOf(read)) {
      const address = addressOf(read, ssl);
      const client = new PostgresSession({
        ...address,
        connectionTimeoutMillis: read.connectTimeoutMs ?? FIRST_CONNECT_MS,
        query_timeout: FIRST_CONNECT_MS,
      });
      client.on('error', () => {}); // it fails the statement, too
      try {
        await client.connect();
      } catch (error) {
        refused = error; // the next way may be better
        continue;
      }
      try {
        return { address, schema: await schemaOf(client, read), ...namesOf(read) };
      } finally {
        await client.end().catch(() => {}); // why it is broken has been told
      }
    }
    throw refused;
  } catch (error) {
    throw new AppError('UNAVAILABLE', `The database ${nameOfPostgres(url)} cannot be opened: ${reasonOf(error)}`);
  }
}

/** A session for one purpose. Whoever opens it ends it; a break makes it emit `error`. */
export async function openSession(
  target: PostgresTarget,
  { name, timeouts, ...limits }: { name: string; timeouts: SessionTimeouts; query_timeout?: number },
): Promise<PostgresSession> {
  const session = new PostgresSession({
    ...sessionConfig(target, name),
    connectionTimeoutMillis: target.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    ...limits,
  });
  session.on('error', () => {}); // whoever waits for a statement is told by it
  await session.connect();
  try {
    await prepareSession(session, target, timeouts);
  } catch (error) {
    await session.end().catch(() => {}); // nobody else has it
    throw error;
  }
  return session;
}

/** What a client of pg needs to know to connect. */
export function sessionConfig({ address, applicationName }: PostgresTarget, name: string): pg.ClientConfig {
  return {
    ...address,
    application_name: applicationName ?? name,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    // Whoever sends several statements need not wait for the answer to each.
    pipeline: true,
  };
}

/** Sees to it that every statement of a new connection finds the settings that it relies on. */
export function prepareSession(
  session: PostgresSession,
  { schema, connectTimeoutMs }: PostgresTarget,
  timeouts: SessionTimeouts,
): Promise<void> {
  const settings = {
    session: settingsStatement(schema, timeouts, 'session'),
    local: settingsStatement(schema, timeouts, 'local'),
  };
  return session.prepare(settings, connectTimeoutMs ?? CONNECT_TIMEOUT_MS);
}

function addressOf(url: PostgresUrl, ssl: Encryption): pg.ClientConfig {
  const { host, port, user, password, database, options, sslNegotiation, channelBinding } = url;
  return {
    ...(host && { host }),
    ...(port && { port }),
    ...(user && { user }),
    ...(password && { password }),
    ...(database && { database }),
    ...(options && { options }),
    ...(ssl !== undefined && { ssl }),
    ...(sslNegotiation && { sslnegotiation: sslNegotiation }),
    ...(channelBinding && { enableChannelBinding: true }),
  };
}

function namesOf({ connectTimeoutMs, applicationName }: PostgresUrl) {
  return { connectTimeoutMs, applicationName };
}

async function schemaOf(client: PostgresSession, { schema }: PostgresUrl): Promise<string> {
  if (schema) return schema;
  const { rows } = await client.query<{ schema: string | null }>(`
    SELECT coalesce(
      (SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE pg_class.oid = to_regclass('sync_run')),
      current_schema()
    )::text AS schema`);
  const found = rows[0]?.schema;
  if (!found) throw new Error('its search_path leads to no schema; create one, or name one with ?schema=');
  return found;
}
