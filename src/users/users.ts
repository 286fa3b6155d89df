import { randomUUID } from 'node:crypto';
import type { Visibility } from '../auth/permissions.ts';
import { isStorable, selectOf, toColumn } from '../db/columns.ts';
import type { Database, Transaction } from '../db/database.ts';
import { isUniqueViolation } from '../db/faults.ts';
import { isListed, listedIds } from '../db/listed.ts';
import { type DeletedUser, type User, userFields } from '../db/rows.ts';
import { joinSql, rawSql, type Sql, sql } from '../db/sql.ts';
import { AppError, badInput } from '../errors.ts';
import type { WakeUps } from '../instances/wake-ups.ts';
import type { Limits } from '../limits.ts';

/** What is known of a user from outside. A field that is left out keeps its value; null clears it. */
interface UserDraft {
  readonly id?: string | null | undefined;
  readonly externalUserId?: string | null | undefined;
  readonly email?: string | null | undefined;
  readonly firstName?: string | null | undefined;
  readonly lastName?: string | null | undefined;
}

/** Where a user stands in the list of users, which is ordered newest first. */
export interface UserKey {
  readonly createdAt: Date;
  readonly id: string;
}

interface UserPage {
  readonly after?: UserKey | undefined;
  readonly before?: UserKey | undefined;
  readonly limit: number;
  /** From the end of the list instead of its beginning; the answer is in list order all the same. */
  readonly fromEnd: boolean;
}

export interface Users {
  /** The users with these ids, as far as they exist, in one statement. */
  byIds(ids: readonly string[]): Promise<User[]>;
  /** A page of the visible users, newest first; `search` is a part of a name, e-mail address or external id. */
  list(visible: Visibility, search: string | null | undefined, page: UserPage): Promise<User[]>;
  /**
   * Changes the user with this id, else the one with this external id, or makes a new one.
   * @throws AppError BAD_USER_INPUT for text that is too long or not storable, and when the external id is another
   * user's.
   */
  upsert(draft: UserDraft): Promise<User>;
  /**
   * Makes those of some users that do not exist, known by nothing but their ids. Each comes with the time of what a
   * source says of them: a user who was deleted after that is not made again, and without a time no deleted one is.
   */
  ensure(heardOf: ReadonlyMap<string, Date | undefined>): Promise<void>;
  /** When those of some users that have been deleted were, whether or not they were made again. */
  deletions(ids: readonly string[]): Promise<Map<string, Date>>;
  /** Removes a user with the log and the runs, and ends the streams. @throws AppError NOT_FOUND */
  delete(id: string): Promise<void>;
}

export function createUsers(options: {
  readonly database: Database;
  readonly wakeUps: WakeUps;
  readonly limits: Limits;
  readonly clock: () => number;
}): Users {
  const { database, wakeUps, limits, clock } = options;
  return {
    byIds: (ids) =>
      database.reader.$queryRaw<User[]>`
        SELECT ${selectedUser} FROM "user" u WHERE ${isListed(database, sql`u.id`, ids)}`,

    async list(visible, search, { after, before, limit, fromEnd }) {
      const conditions = [visible.kind === 'none' ? sql`false` : sql`true`];
      if (visible.kind === 'one') conditions.push(sql`id = ${visible.userId}`);
      if (search) conditions.push(matching(search, database));
      if (after) conditions.push(sql`(created_at, id) < (${after.createdAt}, ${after.id})`);
      if (before) conditions.push(sql`(created_at, id) > (${before.createdAt}, ${before.id})`);
      const direction = rawSql(fromEnd ? 'ASC' : 'DESC');
      const users = await database.reader.$queryRaw<User[]>`
        SELECT ${selectedUser} FROM "user" u WHERE ${joinSql(conditions, ' AND ')}
        ORDER BY created_at ${direction}, id ${direction} LIMIT ${limit}`;
      return fromEnd ? users.reverse() : users;
    },

    async upsert(draft) {
      checkDraft(draft, limits);
      const user = database.transaction((transaction) => upsert(transaction, draft, new Date(clock())));
      return user.catch((error: unknown) => {
        if (!isUniqueViolation(error)) throw error;
        throw badInput('externalUserId belongs to another user', ['input', 'externalUserId']);
      });
    },

    async ensure(heardOf) {
      const ids = [...heardOf.keys()].sort();
      if (ids.length > 0)
        await database.transaction((transaction) =>
          make(transaction, database, { ids, heardOf, now: new Date(clock()) }),
        );
    },

    async deletions(ids) {
      return new Map((await readDeleted(database.reader, database, ids)).map(({ id, deletedAt }) => [id, deletedAt]));
    },

    async delete(id) {
      const count = await database.transaction((transaction) => remove(transaction, id, new Date(clock())));
      if (count === 0) throw new AppError('NOT_FOUND', `There is no user ${id}`);
      wakeUps.notify({ kind: 'deleted', userId: id });
    },
  };
}

/** Where a user stands in the list. */
export function keyOf({ createdAt, id }: UserKey): UserKey {
  return { createdAt, id };
}

const selectedUser = selectOf('u', userFields);

const textFields = ['externalUserId', 'email', 'firstName', 'lastName'] as const;

/** Prisma's `contains` would take `%` and `_` for wildcards, and cannot be told otherwise in SQLite. */
function matching(search: string, { kind }: Database): Sql {
  const pattern = `%${search.replace(/[\\%_]/g, '\\$&')}%`;
  const like = rawSql(kind === 'postgresql' ? 'ILIKE' : 'LIKE'); // in SQLite, LIKE ignores the case of A to Z
  const fields = textFields.map((field) => sql`${rawSql(toColumn(field))} ${like} ${pattern} ESCAPE '\\'`);
  return sql`(${joinSql(fields, ' OR ')})`;
}

function checkDraft(draft: UserDraft, limits: Limits): void {
  for (const field of textFields) {
    const text = draft[field];
    if (text == null) continue;
    if (text.length === 0 || text.length > limits.userFieldLength)
      throw badInput(`${field} must have 1 to ${limits.userFieldLength} characters`, ['input', field]);
    if (!isStorable(text)) throw badInput(`${field} must be well-formed Unicode without NUL`, ['input', field]);
  }
}

async function upsert(transaction: Transaction, draft: UserDraft, now: Date): Promise<User> {
  const { id, ...fields } = draft;
  const data = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  const where = id ? { id } : draft.externalUserId ? { externalUserId: draft.externalUserId } : undefined;
  // The update comes first although it may find nobody: a transaction has to begin with a write.
  const [updated] = where ? await transaction.user.updateManyAndReturn({ where, data }) : [];
  return updated ?? transaction.user.create({ data: { ...data, id: id ?? randomUUID(), createdAt: now } });
}

/** Takes those back who were deleted: only now it is certain that nobody is deleting them. */
async function make(
  transaction: Transaction,
  database: Database,
  { ids, heardOf, now }: { ids: readonly string[]; heardOf: ReadonlyMap<string, Date | undefined>; now: Date },
): Promise<void> {
  const time = rawSql(database.kind === 'postgresql' ? 'timestamptz' : 'integer');
  const made = await transaction.$queryRaw<{ id: string }[]>`
    INSERT INTO "user" (id, created_at) SELECT listed.value, CAST(${now} AS ${time}) FROM ${listedIds(database, ids)}
    WHERE true ON CONFLICT DO NOTHING RETURNING id`;
  if (made.length === 0) return;
  const deleted = await readDeleted(
    transaction,
    database,
    made.map(({ id }) => id),
  );
  const back = deleted.filter(({ id, deletedAt }) => isOlder(heardOf.get(id), deletedAt)).map(({ id }) => id);
  if (back.length > 0) await transaction.$executeRaw`DELETE FROM "user" WHERE ${isListed(database, sql`id`, back)}`;
}

function readDeleted(
  queryable: Pick<Transaction, '$queryRaw'>,
  database: Database,
  ids: readonly string[],
): Promise<DeletedUser[]> {
  return queryable.$queryRaw`
    SELECT id, deleted_at AS "deletedAt" FROM deleted_user WHERE ${isListed(database, sql`id`, ids)}`;
}

/** Was something said of a user before they were deleted? Without a time it is taken for that. */
export function isOlder(saidAt: Date | null | undefined, deletedAt: Date): boolean {
  return !saidAt || saidAt <= deletedAt;
}

/** Resolves to the number of users who are gone. */
async function remove(transaction: Transaction, id: string, now: Date): Promise<number> {
  const { count } = await transaction.user.deleteMany({ where: { id } });
  if (count > 0)
    await transaction.deletedUser.upsert({ where: { id }, create: { id, deletedAt: now }, update: { deletedAt: now } });
  return count;
}
