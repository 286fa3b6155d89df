import type { Database, Provider } from '../db/database.ts';
import type { User } from '../db/rows.ts';
import { emptySql, type Sql, sql } from '../db/sql.ts';
import { pause } from '../lib/pause.ts';
import { retry } from '../lib/retry.ts';
import { foldUser, isToFold, textsOf, type UserTexts } from './search-text.ts';

/** Users that one transaction fills: those who record for them meanwhile wait some milliseconds. */
const USERS_PER_TRANSACTION = 500;
/** Between two transactions, for the others. */
const PAUSE_MS = 5;
/** Until the index is asked again for those whom an earlier release has written since. */
const LOOK_MS = 600_000;
const RETRY_MS = { first: 500, longest: 30_000 };

/** What is used of a database to fill. */
type FilledDatabase = Pick<Database, 'kind' | 'reader' | 'transaction'>;
type Filled = Pick<User, 'id' | 'searchText' | 'foldedFrom'>;

/** The rows of `filled`, and a condition that leaves those alone which somebody keeps locked. */
const dialects: Readonly<Record<Provider, { rows(json: string): Sql; areFree(filled: readonly Filled[]): Sql }>> = {
  sqlite: {
    rows: (json) => sql`(SELECT value ->> 'id' AS id, value ->> 'searchText' AS "searchText",
      value ->> 'foldedFrom' AS "foldedFrom" FROM json_each(${json}))`,
    areFree: () => emptySql,
  },
  postgresql: {
    rows: (json) =>
      sql`(SELECT * FROM jsonb_to_recordset(${json}::jsonb) AS rows (id uuid, "searchText" text, "foldedFrom" text))`,
    areFree: (filled) => sql`AND u.id IN (
      SELECT id FROM "user" WHERE id = ANY(${filled.map(({ id }) => id)}::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED)`,
  },
};

/**
 * Fills what a search looks through for users whom an earlier release has written: before this one, or in another instance
 * while both work. It runs beside everything else, as there may be millions, and no migration could do it: folding is not
 * among what SQL can do on both databases. An index leads to those users, so that a look that finds nobody costs nothing
 * much. Until a user is filled, a search looks through the texts themselves.
 * @returns what ends it, and resolves when nothing of it runs any more
 */
export function startFillingSearchTexts(
  database: FilledDatabase,
  onError: (error: unknown) => void,
): () => Promise<void> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const filling = retry(
    async (works) => {
      while (!signal.aborted) {
        const isComplete = await fillAll(database, signal);
        works();
        await pause(isComplete ? LOOK_MS : RETRY_MS.longest, signal);
      }
    },
    { signal, pauseMs: RETRY_MS, onFailure: onError },
  );
  return async () => {
    stopping.abort();
    await filling;
  };
}

/** @returns false where somebody has kept a user locked, or has changed or filled one meanwhile */
async function fillAll(database: FilledDatabase, signal: AbortSignal): Promise<boolean> {
  let isComplete = true;
  for (let last: string | undefined; !signal.aborted; ) {
    const after = last === undefined ? emptySql : sql`AND id > ${last}`;
    const users = await database.reader.$queryRaw<(UserTexts & Pick<User, 'id'>)[]>`
      SELECT id, external_user_id AS "externalUserId", email, first_name AS "firstName", last_name AS "lastName"
      FROM "user" u WHERE ${isToFold(database.kind)} ${after} ORDER BY id LIMIT ${USERS_PER_TRANSACTION}`;
    last = users.at(-1)?.id;
    if (last === undefined) return isComplete;
    const filled = users.map((user) => ({ id: user.id, ...foldUser(user) }));
    if ((await fill(database, filled)) < filled.length) isComplete = false;
    await pause(PAUSE_MS, signal);
  }
  return false;
}

/**
 * Texts that have changed since they were read are left for another time, and users whom another instance has filled since
 * as they are. @returns how many users it has filled
 */
function fill(database: FilledDatabase, filled: readonly Filled[]): Promise<number> {
  const { rows, areFree } = dialects[database.kind];
  return database.transaction(
    (transaction) => transaction.$executeRaw`
      UPDATE "user" AS u SET search_text = filled."searchText", folded_from = filled."foldedFrom"
      FROM ${rows(JSON.stringify(filled))} AS filled
      WHERE u.id = filled.id AND filled."foldedFrom" <> coalesce(u.folded_from, '')
      AND filled."foldedFrom" = (${textsOf(database.kind)}) ${areFree(filled)}`,
  );
}
