import { randomUUID } from 'node:crypto';
import type { Visibility } from '../auth/permissions.ts';
import type { Database, Transaction } from '../db/database.ts';
import { isUniqueViolation } from '../db/faults.ts';
import type { Prisma, User } from '../db/generated/sqlite/client.ts';
import { beyond } from '../db/keyset.ts';
import { AppError, badInput } from '../errors.ts';
import type { WakeUps } from '../events/wake-ups.ts';
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
    byIds: (ids) => database.reader.user.findMany({ where: { id: { in: [...ids] } } }),

    async list(visible, search, { after, before, limit, fromEnd }) {
      if (visible.kind === 'none') return [];
      const conditions: Prisma.UserWhereInput[] = [];
      if (visible.kind === 'one') conditions.push({ id: visible.userId });
      if (search) conditions.push(matching(search));
      if (after) conditions.push(beyond(Object.entries(keyOf(after)), 'desc'));
      if (before) conditions.push(beyond(Object.entries(keyOf(before)), 'asc'));
      const direction = fromEnd ? 'asc' : 'desc';
      const users = await database.reader.user.findMany({
        where: { AND: conditions },
        orderBy: [{ createdAt: direction }, { id: direction }],
        take: limit,
      });
      return fromEnd ? users.reverse() : users;
    },

    async upsert(draft) {
      checkDraft(draft, limits);
      return database.transaction((transaction) => upsert(transaction, draft, new Date(clock())));
    },

    async delete(id) {
      const { count } = await database.transaction((transaction) => transaction.user.deleteMany({ where: { id } }));
      if (count === 0) throw new AppError('NOT_FOUND', `There is no user ${id}`);
      wakeUps.notify({ kind: 'deleted', userId: id });
    },
  };
}

/** Where a user stands in the list. */
export function keyOf({ createdAt, id }: UserKey): UserKey {
  return { createdAt, id };
}

function matching(search: string): Prisma.UserWhereInput {
  const fields = ['externalUserId', 'email', 'firstName', 'lastName'] as const;
  return { OR: fields.map((field) => ({ [field]: { contains: search } })) };
}

const textFields = ['externalUserId', 'email', 'firstName', 'lastName'] as const;

function checkDraft(draft: UserDraft, limits: Limits): void {
  for (const field of textFields) {
    const text = draft[field];
    if (text == null) continue;
    if (text.length === 0 || text.length > limits.userFieldLength)
      throw badInput(`${field} must have 1 to ${limits.userFieldLength} characters`, ['input', field]);
    if (text.includes('\0') || !text.isWellFormed())
      throw badInput(`${field} must be well-formed Unicode without NUL`, ['input', field]);
  }
}

async function upsert(transaction: Transaction, draft: UserDraft, now: Date): Promise<User> {
  const { id, ...fields } = draft;
  const data = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  const where = id ? { id } : draft.externalUserId ? { externalUserId: draft.externalUserId } : undefined;
  try {
    // The update comes first although it may find nobody: a transaction has to begin with a write.
    const [updated] = where ? await transaction.user.updateManyAndReturn({ where, data }) : [];
    return updated ?? (await transaction.user.create({ data: { ...data, id: id ?? randomUUID(), createdAt: now } }));
  } catch (error) {
    if (isUniqueViolation(error)) throw badInput('externalUserId belongs to another user', ['input', 'externalUserId']);
    throw error;
  }
}
