import { randomUUID } from 'node:crypto';
import { type Administrator, program } from '../audit/acts.ts';
import { writeAuditLine } from '../audit/audit.ts';
import type { Visibility } from '../auth/permissions.ts';
import { isStorable, selectOf } from '../db/columns.ts';
import type { Database, Queryable, Transaction } from '../db/database.ts';
import { isUniqueViolation } from '../db/faults.ts';
import { isListed, listedIds } from '../db/listed.ts';
import { type DeletedUser, type User, userFields } from '../db/rows.ts';
import { joinSql, rawSql, type Sql, sql } from '../db/sql.ts';
import { badInput, noSuchUser } from '../errors.ts';
import type { WakeUps } from '../instances/wake-ups.ts';
import { oneByOne } from '../lib/batch-turns.ts';
import type { Clock } from '../lib/clock.ts';
import type { Page } from '../lib/page.ts';
import { type Piece, walkPages } from '../lib/walk-pages.ts';
import type { Limits } from '../limits.ts';
import { cutLog } from '../log/cut-log.ts';
import type { Cut } from '../log/sql/log-sql.ts';
import { type ErasureReceipt, eraseUser } from './erase-user.ts';
import { quarantinedOf } from './quarantined-entries.ts';
import { changedFields, foldUser, holds, type Sought, textFields, toSought } from './search-text.ts';

/** Users that one statement of a search looks through: SQLite keeps the process for 4 ms with them. */
const WALKED_PER_STATEMENT = 10_000;

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

/** A page of the visible users. `search` is a part of a name, e-mail address or external id. */
export interface UserPageRequest extends Page<UserKey> {
  readonly visible: Visibility;
  readonly search?: string | null | undefined;
}

/** Who the users are. */
export class Users {
  readonly #database: Database;
  readonly #wakeUps: WakeUps;
  readonly #limits: Limits;
  readonly #clock: Clock;
  readonly #walked: number;
  readonly #one: (id: string) => Promise<User | undefined>;

  /** @param parts.walked users that one statement of a search may look through. */
  constructor(parts: {
    readonly database: Database;
    readonly wakeUps: WakeUps;
    readonly limits: Limits;
    readonly clock: Clock;
    readonly walked?: number;
  }) {
    this.#database = parts.database;
    this.#wakeUps = parts.wakeUps;
    this.#limits = parts.limits;
    this.#clock = parts.clock;
    this.#walked = parts.walked ?? WALKED_PER_STATEMENT;
    this.#one = oneByOne(
      (ids) => this.#find(ids),
      ({ id }) => id,
    );
  }

  /** The users with these ids, as far as they exist, in one statement. All that are asked for alone at once share one. */
  async byIds(ids: readonly string[]): Promise<User[]> {
    const [id, ...others] = ids;
    if (id === undefined || others.length > 0) return this.#find(ids);
    const user = await this.#one(id);
    return user ? [user] : [];
  }

  #find(ids: readonly string[]): Promise<User[]> {
    return this.#database.reader.$queryRaw<User[]>`
      SELECT ${selectedUser} FROM "user" u WHERE ${isListed(this.#database, sql`u.id`, ids)}`;
  }

  /**
   * A page, newest first. No index leads to the texts that `search` is a part of: the users are looked through in pieces
   * until the page is full. Everything else is one statement.
   */
  async list(request: UserPageRequest): Promise<User[]> {
    const sought = toSought(request.search);
    const isWalked = request.visible.kind === 'all' && sought !== undefined;
    const [users = []] = await walkPages<UserKey, UserPageRequest, User>([request], {
      findEnds: async ([rest]) => [rest && isWalked ? await this.#findEnd(rest) : undefined],
      read: async ([piece]) => [piece ? await this.#read(piece, sought) : []],
    });
    return [...users];
  }

  /** Of the users that a piece looks at, the last one; nothing where that is the end of the list. */
  async #findEnd(page: Page<UserKey>): Promise<UserKey | undefined> {
    const [end] = await this.#database.reader.$queryRaw<UserKey[]>`
      SELECT created_at AS "createdAt", id FROM "user" u WHERE ${joinSql(within(page), ' AND ')} ${inListOrder(page)}
      LIMIT 1 OFFSET ${this.#walked - 1}`;
    return end;
  }

  async #read(piece: Piece<UserKey, UserPageRequest>, sought: Sought | undefined): Promise<User[]> {
    const { visible } = piece;
    const conditions = within(piece);
    if (visible.kind === 'none') conditions.push(sql`false`);
    if (visible.kind === 'one') conditions.push(sql`id = ${visible.userId}`);
    if (sought !== undefined) conditions.push(holds(sought, this.#database.kind));
    const users = await this.#database.reader.$queryRaw<User[]>`
      SELECT ${selectedUser} FROM "user" u WHERE ${joinSql(conditions, ' AND ')} ${inListOrder(piece)}
      LIMIT ${piece.limit}`;
    return piece.fromEnd ? users.reverse() : users;
  }

  /**
   * Changes the user with this id, else the one with this external id, or makes a new one.
   * @throws AppError BAD_USER_INPUT for text that is too long or not storable, and when the external id is another
   * user's.
   */
  async upsert(draft: UserDraft, by: Administrator = program): Promise<User> {
    checkDraft(draft, this.#limits);
    const user = this.#database.transaction((transaction) =>
      upsert(transaction, draft, { now: new Date(this.#clock()), by }),
    );
    return user.catch((error: unknown) => {
      if (!isUniqueViolation(error)) throw error;
      throw badInput('externalUserId belongs to another user', ['input', 'externalUserId']);
    });
  }

  /**
   * Inserts those of these ids that are no user yet, as users of whom nothing else is known.
   * @param heardOf each id with the time of what a source says of that user. A user who was deleted at that time or
   *   later is not inserted again; without a time, no deleted user is.
   */
  async ensure(heardOf: ReadonlyMap<string, Date | undefined>): Promise<void> {
    const ids = [...heardOf.keys()].sort();
    if (ids.length > 0)
      await this.#database.transaction((transaction) =>
        make(transaction, this.#database, { ids, heardOf, now: new Date(this.#clock()) }),
      );
  }

  /** When the users with these ids were deleted, as far as they were, whether or not they were made again since. */
  async deletions(ids: readonly string[]): Promise<Map<string, Date>> {
    const found = await readDeleted(this.#database.reader, this.#database, ids);
    return new Map(found.map(({ id, deletedAt }) => [id, deletedAt]));
  }

  /**
   * Removes a user with the log, the runs and the entries in quarantine that tell of the user, and ends the streams. The oldest
   * events of a log longer than `limits.retentionBatch` go before, in batches: what fails in between leaves a shorter log.
   * @returns what this call has removed
   * @throws AppError NOT_FOUND
   */
  async delete(id: string, by: Administrator = program): Promise<ErasureReceipt> {
    const [user] = await this.byIds([id]);
    if (!user) throw noSuchUser(id);
    const removed = await this.#shortenLog(user);
    const lookedAt = new Date(this.#clock());
    const quarantined = await quarantinedOf(this.#database.reader, id);
    const receipt = await this.#database.transaction((transaction) =>
      eraseUser(transaction, this.#database, id, { removed, quarantined, lookedAt, now: new Date(this.#clock()), by }),
    );
    if (!receipt) throw noSuchUser(id);
    this.#wakeUps.notify({ kind: 'deleted', userId: id });
    return receipt;
  }

  async #shortenLog(user: User): Promise<Cut> {
    const removed = { events: 0, runs: 0 };
    const batch = this.#limits.retentionBatch;
    for (let tail = user.tailSequence + batch; tail <= user.headSequence; tail += batch) {
      const cut = await cutLog(this.#database, user, tail);
      removed.events += cut.events;
      removed.runs += cut.runs;
    }
    return removed;
  }
}

const selectedUser = selectOf('u', userFields);

/** The condition that a user belongs to a part of the list. */
function within({ after, before, fromEnd, upTo }: Piece<UserKey, Page<UserKey>>): Sql[] {
  const conditions = [sql`true`];
  if (after) conditions.push(sql`(created_at, id) < (${after.createdAt}, ${after.id})`);
  if (before) conditions.push(sql`(created_at, id) > (${before.createdAt}, ${before.id})`);
  if (upTo) {
    const notBeyond = rawSql(fromEnd ? '<=' : '>=');
    conditions.push(sql`created_at ${notBeyond} ${upTo.createdAt}`); // by this, Postgres estimates how few users there are
    conditions.push(sql`(created_at, id) ${notBeyond} (${upTo.createdAt}, ${upTo.id})`);
  }
  return conditions;
}

function inListOrder({ fromEnd }: Page<UserKey>): Sql {
  const direction = rawSql(fromEnd ? 'ASC' : 'DESC');
  return sql`ORDER BY created_at ${direction}, id ${direction}`;
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

async function upsert(
  transaction: Transaction,
  draft: UserDraft,
  { now, by }: { readonly now: Date; readonly by: Administrator },
): Promise<User> {
  const { id, ...fields } = draft;
  const data = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  const where = id ? { id } : draft.externalUserId ? { externalUserId: draft.externalUserId } : undefined;
  // The update comes first although it may find nobody: a transaction has to begin with a write.
  const [updated] = where ? await transaction.user.updateManyAndReturn({ where, data }) : [];
  if (updated) {
    const changed = changedFields(updated).filter((field) => draft[field] !== undefined);
    const line = { act: 'user_updated', by, target: updated.id, at: now, details: { fields: changed } } as const;
    if (changed.length > 0) await writeAuditLine(transaction, line);
    return fold(transaction, updated);
  }
  const folded = foldUser({ ...noTexts, ...data });
  const user = await transaction.user.create({ data: { ...data, ...folded, id: id ?? randomUUID(), createdAt: now } });
  const given = textFields.filter((field) => user[field] !== null);
  await writeAuditLine(transaction, { act: 'user_created', by, target: user.id, at: now, details: { fields: given } });
  const deleted = id && (await transaction.deletedUser.findUnique({ where: { id } }));
  return (deleted && (await makeLater(transaction, deleted, now))) || user;
}

const noTexts = { externalUserId: null, email: null, firstName: null, lastName: null };

/** What a search looks through goes with the texts of a user. */
async function fold(transaction: Transaction, user: User): Promise<User> {
  const folded = foldUser(user);
  if (folded.searchText === user.searchText && folded.foldedFrom === user.foldedFrom) return user;
  return transaction.user.update({ where: { id: user.id }, data: folded });
}

/**
 * A user who is made anew was made later than the deletion before, whatever the clocks of the instances say: followers and
 * retention tell two logs under one id by when their users were made. Nothing if that is so already.
 */
async function makeLater(
  transaction: Transaction,
  { id, deletedAt }: DeletedUser,
  madeAt: Date,
): Promise<User | undefined> {
  if (deletedAt < madeAt) return undefined;
  return transaction.user.update({ where: { id }, data: { createdAt: new Date(deletedAt.getTime() + 1) } });
}

/**
 * Inserts the ids that are missing; then, holding the row locks of the new users, removes those whose deletion is newer
 * than what was heard of them. Before the locks, a deletion could still be under way and not show.
 */
async function make(
  transaction: Transaction,
  database: Database,
  { ids, heardOf, now }: { ids: readonly string[]; heardOf: ReadonlyMap<string, Date | undefined>; now: Date },
): Promise<void> {
  const time = rawSql(database.kind === 'postgresql' ? 'timestamptz' : 'integer');
  const { searchText, foldedFrom } = foldUser(noTexts);
  const made = await transaction.$queryRaw<{ id: string }[]>`
    INSERT INTO "user" (id, created_at, search_text, folded_from)
    SELECT listed.value, CAST(${now} AS ${time}), ${searchText}, ${foldedFrom} FROM ${listedIds(database, ids)}
    WHERE true ON CONFLICT DO NOTHING RETURNING id`;
  if (made.length === 0) return;
  const deleted = await readDeleted(
    transaction,
    database,
    made.map(({ id }) => id),
  );
  const back = deleted.filter(({ id, deletedAt }) => isOlder(heardOf.get(id), deletedAt)).map(({ id }) => id);
  if (back.length > 0) await transaction.$executeRaw`DELETE FROM "user" WHERE ${isListed(database, sql`id`, back)}`;
  for (const user of deleted) if (!back.includes(user.id)) await makeLater(transaction, user, now);
}

function readDeleted(queryable: Queryable, database: Database, ids: readonly string[]): Promise<DeletedUser[]> {
  return queryable.$queryRaw`
    SELECT id, deleted_at AS "deletedAt" FROM deleted_user WHERE ${isListed(database, sql`id`, ids)}`;
}

/** Was something said of a user before the user was deleted? What was said without a time counts as before. */
export function isOlder(saidAt: Date | null | undefined, deletedAt: Date): boolean {
  return !saidAt || saidAt <= deletedAt;
}
