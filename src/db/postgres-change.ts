import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { ChangeLimits, Decide } from './database.ts';
import { isStale } from './faults.ts';
import { arrayOf, quoted } from './postgres-array.ts';
import { PostgresSession } from './postgres-session.ts';
import { CONNECT_TIMEOUT_MS } from './postgres-target.ts';
import { postgresTypes } from './postgres-types.ts';
import { type SqlTemplate, toSql } from './sql.ts';

/** What is done around each statement: `run` sends it. */
export type AroundQuery = (
  query: { readonly text: string; readonly values: readonly unknown[] },
  run: () => Promise<pg.QueryResult>,
) => Promise<pg.QueryResult>;

/**
 * A transaction of two round trips, on a connection of a pool that sends statements without waiting for answers: BEGIN and
 * what is read, then what is written and COMMIT. After a statement that fails Postgres runs no other of the transaction,
 * and makes a rollback of the COMMIT.
 *
 * On a session of its own each text is a prepared statement with a name: to read and plan them takes Postgres as long as to
 * run them. All of them find rows by keys, and plans are kept while tables grow, so that none may walk through a table, even
 * if that is empty today.
 * @param begun is called when the database has answered.
 */
export async function changePostgres<T>(
  pool: pg.Pool,
  decide: Decide<T>,
  { around, begun, lockWaitMs }: { around: AroundQuery; begun: () => void } & ChangeLimits,
): Promise<T> {
  const client = await pool.connect();
  client.on('error', ignore); // it fails the statements, too
  const isDirect = client instanceof PostgresSession && !client.isPooled;
  const sent: Promise<pg.QueryResult>[] = [];
  const send = (text: string, values: readonly unknown[] = [], limits: { query_timeout?: number } = {}) => {
    const name = isDirect && values.length > 0 ? nameOf(text) : undefined;
    const answer = around({ text, values }, () =>
      client.query({ text, values: values.map(toParameter), types: postgresTypes, ...(name && { name }), ...limits }),
    );
    answer.catch(ignore); // each of them is waited for below
    sent.push(answer);
    return answer;
  };
  // As long as it may take to get a connection: on one that is cut, this is the first to notice.
  const beginning = send('BEGIN', [], { query_timeout: CONNECT_TIMEOUT_MS });
  const refused = new Promise<never>((_, reject) => void beginning.then(begun, reject));
  refused.catch(ignore); // where nobody waits for it any more
  let isLost = false;
  try {
    // Not in one text with BEGIN: what a session behind a pooler sets for each transaction comes between.
    const lockTimeout = lockWaitMs === undefined ? '' : `, set_config('lock_timeout', '${lockWaitMs}', true)`;
    void send(`SELECT set_config('enable_seqscan', 'off', true)${lockTimeout}`);
    const deciding = decide({
      async $queryRaw<Rows>(statement: SqlTemplate, ...given: unknown[]) {
        const { text, values } = toSql(statement, given);
        return (await send(text, values)).rows as Rows; // the caller knows what the statement selects
      },
    });
    const { answer, writes } = await Promise.race([deciding, refused]);
    for (const { text, rows } of writes) for (const values of rows) void send(text, values);
    void send('COMMIT');
    await Promise.all(sent);
    return answer;
  } catch (error) {
    // Where BEGIN has not even come through, what was sent behind it would be waited for in vain, and longer.
    isLost = await beginning.then(
      () => false,
      () => true,
    );
    if (isLost) throw await beginning.catch((reason: unknown) => reason);
    const failed = (await Promise.allSettled(sent)).find((outcome) => outcome.status === 'rejected');
    isLost = await client.query('ROLLBACK').then(
      () => false,
      () => true,
    );
    const reason: unknown = failed?.reason ?? error; // those behind the first that fails only say that the transaction is over
    isLost ||= isStale(reason);
    throw reason;
  } finally {
    client.off('error', ignore);
    client.release(isLost);
  }
}

/** Names of texts. Those of changes are written in the source and depend on nothing that comes from outside, so they are few. */
const names = new Map<string, string>();
/** So many of them stay prepared on a session, whatever comes. */
const MOST_NAMES = 100;

/** The same in every process: behind a pooler that was not noticed, a session may have it from another one. */
function nameOf(text: string): string | undefined {
  const known = names.get(text);
  if (known !== undefined || names.size >= MOST_NAMES) return known;
  const name = `synclog_${createHash('sha1').update(text).digest('hex').slice(0, 16)}`;
  names.set(text, name);
  return name;
}

/** Nothing that is bound can fail before it is sent: a COMMIT that is behind it would commit the rest. */
function toParameter(value: unknown): string | null {
  if (Array.isArray(value)) return arrayOf(value, (element) => quoted(String(element)));
  if (value instanceof Date) return value.toISOString();
  return value === null ? null : String(value);
}

function ignore(): void {}
