import type { Database, Provider } from '../db/database.ts';
import type { User } from '../db/rows.ts';
import { emptySql, type Sql, sql } from '../db/sql.ts';
import { pause } from '../lib/pause.ts';
import { retry } from '../lib/retry.ts';
import { searchTextOf, type UserTexts } from './search-text.ts';

/** Users that one transaction fills: those who record for them meanwhile wait some milliseconds. */
const USERS_PER_TRANSACTION = 500;
/** Between two transactions, for the others. */
const PAUSE_MS = 5;
const RETRY_MS = { first: 500, longest: 30_000 };

interface Filled {
  readonly id: string;
  readonly text: string;
}

/** The rows of `filled`, and a condition that leaves those alone which somebody keeps locked. */
const dialects: Readonly<Record<Provider, { rows(json: string): Sql; areFree(filled: readonly Filled[]): Sql }>> = {
  sqlite: {
    rows: (json) => sql`(SELECT value ->> 'id' AS id, value ->> 'text' AS text FROM json_each(${json}))`,
    areFree: () => emptySql,
  },
  postgresql: {
    rows: (json) => sql`(SELECT * FROM jsonb_to_recordset(${json}::jsonb) AS rows (id uuid, text text))`,
    areFree: (filled) => sql`AND "user".id IN (
      SELECT id FROM "user" WHERE id = ANY(${filled.map(({ id }) => id)}::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED)`,
  },
};

/**
 * Fills what a search looks through for users of an earlier release, once. It runs beside everything else, as there may be
 * millions, and no migration could do it: folding is not among what SQL can do on both databases. Whatever ends it, the
 * next start goes on, as what is left is null; until then a search finds such users by A to Z as that release did.
 * @returns what ends it, and resolves when nothing of it runs any more
 */
export function startFillingSearchTexts(database: Database, onError: (error: unknown) => void): () => Promise<void> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const attempt = async () => {
    const state = await database.reader.logState.findFirst({ select: { searchFilled: true } });
    if (state?.searchFilled !== false) return;
    while (!(await fillAll(database, signal))) {
      if (signal.aborted) return;
      await pause(RETRY_MS.longest, signal); // somebody keeps rows locked
    }
    await database.transaction((transaction) => transaction.logState.updateMany({ data: { searchFilled: true } }));
  };
  const filling = retry(attempt, { signal, pauseMs: RETRY_MS, onFailure: onError });
  return async () => {
    stopping.abort();
    await filling;
  };
}

/** @returns whether all users are filled */
async function fillAll(database: Database, signal: AbortSignal): Promise<boolean> {
  let isComplete = true;
  for (let last: string | undefined; !signal.aborted; ) {
    const after = last === undefined ? emptySql : sql`WHERE id > ${last}`;
    const users = await database.reader.$queryRaw<(UserTexts & Pick<User, 'id' | 'searchText'>)[]>`
      SELECT id, external_user_id AS "externalUserId", email, first_name AS "firstName", last_name AS "lastName",
        search_text AS "searchText"
      FROM "user" ${after} ORDER BY id LIMIT ${USERS_PER_TRANSACTION}`;
    last = users.at(-1)?.id;
    if (last === undefined) return isComplete;
    const filled = users.flatMap((user) =>
      user.searchText === null ? [{ id: user.id, text: searchTextOf(user) }] : [],
    );
    if (filled.length > 0 && (await fill(database, filled)) < filled.length) isComplete = false;
    await pause(PAUSE_MS, signal);
  }
  return false;
}

/** @returns how many it has filled */
function fill(database: Database, filled: readonly Filled[]): Promise<number> {
  const { rows, areFree } = dialects[database.kind];
  return database.transaction(
    (transaction) => transaction.$executeRaw`
      UPDATE "user" SET search_text = filled.text FROM ${rows(JSON.stringify(filled))} AS filled
      WHERE "user".id = filled.id AND "user".search_text IS NULL ${areFree(filled)}`,
  );
}
