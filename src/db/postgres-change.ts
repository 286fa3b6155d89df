import type pg from 'pg';
import type { ChangeLimits, Decide } from './database.ts';
import { arrayOf, quoted } from './postgres-array.ts';
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
 * @param begun is called when the database has answered.
 */
export async function changePostgres<T>(
  pool: pg.Pool,
  decide: Decide<T>,
  { around, begun, lockWaitMs }: { around: AroundQuery; begun: () => void } & ChangeLimits,
): Promise<T> {
  const client = await pool.connect();
  client.on('error', ignore); // it fails the statements, too
  const sent: Promise<pg.QueryResult>[] = [];
  const send = (text: string, values: readonly unknown[] = [], limits: { query_timeout?: number } = {}) => {
    const answer = around({ text, values }, () =>
      client.query({ text, values: values.map(toParameter), types: postgresTypes, ...limits }),
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
    if (lockWaitMs !== undefined) void send(`SET LOCAL lock_timeout = ${lockWaitMs}`);
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
    throw failed?.reason ?? error; // those behind the first that fails only say that the transaction is over
  } finally {
    client.off('error', ignore);
    client.release(isLost);
  }
}

/** Nothing that is bound can fail before it is sent: a COMMIT that is behind it would commit the rest. */
function toParameter(value: unknown): string | null {
  if (Array.isArray(value)) return arrayOf(value, (element) => quoted(String(element)));
  if (value instanceof Date) return value.toISOString();
  return value === null ? null : String(value);
}

function ignore(): void {}
