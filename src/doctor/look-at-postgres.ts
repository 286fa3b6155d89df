import { POOL_SIZE } from '../db/postgres-pool.ts';
import type { PostgresSession } from '../db/postgres-session.ts';
import { nameOfPostgres } from '../db/postgres-url.ts';
import { type Finding, findingsOf, sizeText } from './finding.ts';

const { ok, warning, problem } = findingsOf('database');

/** The oldest release that is still mended, at the end of 2026. Tests run on a newer one. */
const OLDEST_SERVER = 150_000;
/** Clocks that differ by more make times of producers look early or late, and tokens end at other moments. */
const CLOCK_TOLERANCE_MS = 5_000;
/** What migrates and what listens stand beside the pool. */
const CONNECTIONS_OF_INSTANCE = POOL_SIZE + 2;

interface Told {
  readonly number: number;
  readonly version: string;
  readonly recovery: boolean;
  readonly encoding: string;
  readonly fsync: string;
  readonly fullPages: string;
  readonly readOnly: string;
  readonly connections: number;
  readonly reserved: number;
  readonly used: number;
  readonly mayCreate: boolean;
  readonly notOurs: string | null;
  readonly bytes: string;
  readonly now: number;
}

const question = `SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
  pg_is_in_recovery() AS recovery, current_setting('server_encoding') AS encoding, current_setting('fsync') AS fsync,
  current_setting('full_page_writes') AS "fullPages", current_setting('default_transaction_read_only') AS "readOnly",
  current_setting('max_connections')::int AS connections,
  current_setting('superuser_reserved_connections')::int AS reserved,
  (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
  has_schema_privilege(current_schema(), 'CREATE') AS "mayCreate",
  (SELECT min(relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
    AND NOT pg_has_role(relowner, 'USAGE')) AS "notOurs",
  pg_database_size(current_database())::text AS bytes,
  (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now`;

/**
 * What a Postgres says of itself.
 * @param session as the server's own are
 * @param options.hasWayAround whether instances can wake one another past a pooler
 */
export async function lookAtPostgres(
  session: PostgresSession,
  url: string,
  { hasWayAround }: { readonly hasWayAround: boolean },
): Promise<Finding[]> {
  const asked = Date.now();
  const { rows } = await session.query<Told & Record<string, unknown>>(question);
  const [told] = rows;
  if (!told) throw new Error('the database says nothing of itself');
  const answered = Date.now();
  const name = nameOfPostgres(url);
  return [
    ok(`PostgreSQL ${told.version} at ${name}, answered in ${answered - asked} ms, ${sizeText(Number(told.bytes))}`),
    ...server(told),
    ...rights(told),
    ...durability(told),
    pooler(session.isPooled, hasWayAround),
    ...connections(told),
    clock(told.now - (asked + answered) / 2),
  ];
}

function server({ number, encoding, recovery, readOnly }: Told): Finding[] {
  const findings: Finding[] = [];
  if (number < OLDEST_SERVER)
    findings.push(warning('it is older than PostgreSQL 15', 'use a release that is still cared for'));
  if (encoding !== 'UTF8')
    findings.push(problem(`its encoding is ${encoding}`, "make the database with ENCODING 'UTF8' TEMPLATE template0"));
  if (recovery) findings.push(problem('it is a standby, which takes no writes', 'name the primary in DATABASE_URL'));
  else if (readOnly === 'on')
    findings.push(
      problem('it takes no writes: default_transaction_read_only is on', 'ask whoever has turned that on why'),
    );
  return findings;
}

function rights({ mayCreate, notOurs }: Told): Finding[] {
  if (!mayCreate)
    return [
      problem(
        'the role may not create tables in its schema, as migrations do',
        'GRANT CREATE, USAGE ON SCHEMA … TO it',
      ),
    ];
  if (notOurs !== null)
    return [
      problem(
        `the table ${notOurs} belongs to another role, so that it cannot be migrated`,
        `ALTER TABLE ${notOurs} OWNER TO the role, and all others`,
      ),
    ];
  return [ok('the role may create and change the tables')];
}

function durability({ fsync, fullPages }: Told): Finding[] {
  const off = [...(fsync === 'off' ? ['fsync'] : []), ...(fullPages === 'off' ? ['full_page_writes'] : [])];
  if (off.length === 0) return [ok('what is committed outlives a crash of its machine')];
  return [
    problem(
      `${off.join(' and ')} off: what is acknowledged may be lost when its machine crashes`,
      `set ${off.join(' and ')} to on`,
    ),
  ];
}

function pooler(isPooled: boolean, hasWayAround: boolean): Finding {
  if (!isPooled) return ok('no pooler stands between');
  if (hasWayAround) return ok('a pooler stands between, and wake-ups have another way');
  return problem(
    'a pooler stands between, behind which nobody hears NOTIFY',
    'set DATABASE_DIRECT_URL to the same database past the pooler, or REDIS_URL for wake-ups',
  );
}

function connections({ connections, reserved, used }: Told): Finding[] {
  const free = connections - reserved - used;
  if (free < CONNECTIONS_OF_INSTANCE)
    return [
      warning(
        `${free} of ${connections} connections are free, and an instance takes up to ${CONNECTIONS_OF_INSTANCE}`,
        'raise max_connections, or put a pooler in front',
      ),
    ];
  return [ok(`${free} of ${connections} connections are free; an instance takes up to ${CONNECTIONS_OF_INSTANCE}`)];
}

function clock(aheadMs: number): Finding {
  const seconds = (Math.abs(aheadMs) / 1_000).toFixed(1);
  if (Math.abs(aheadMs) > CLOCK_TOLERANCE_MS)
    return warning(
      `its clock is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} this machine's`,
      'let NTP set both',
    );
  return ok(`its clock and this machine's agree to ${seconds} s`);
}
