import { hash, randomUUID } from 'node:crypto';
import { selectOf } from '../db/columns.ts';
import type { Database, Transaction } from '../db/database.ts';
import { type AuditEntry as AuditRow, auditFields } from '../db/rows.ts';
import { emptySql, joinSql, rawSql, sql } from '../db/sql.ts';
import { noSuchUser } from '../errors.ts';
import type { Page } from '../lib/page.ts';
import { isUuid } from '../lib/uuid.ts';
import type { Limits } from '../limits.ts';
import type { Act, Administrator } from './acts.ts';

const HOUR_MS = 3_600_000;

/** A line as it is written. It holds no secret, and of a user nothing but the id. */
interface AuditLine {
  readonly act: Act;
  readonly by: Administrator;
  /** What was acted upon: the id of a key or a user; none where there are many. */
  readonly target: string | null;
  readonly at: Date;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** A line as it is shown. */
export type AuditEntry = Omit<AuditRow, 'details'> & { readonly details: unknown };

/** Where a line stands in the audit log, which is ordered newest first. */
export type AuditKey = Pick<AuditEntry, 'at' | 'id'>;

interface AuditPageRequest extends Page<AuditKey> {
  /** Only lines about this key or user, erased or not. */
  readonly target?: string | null | undefined;
}

/** Writes a line in the transaction of its act, so that there is none of them without the other. @returns the line's id */
export async function writeAuditLine(
  transaction: Transaction,
  { act, by, target, at, details = {} }: AuditLine,
): Promise<string> {
  const { id } = await transaction.auditEntry.create({
    data: { ...rowOf(act, by, at), id: randomUUID(), target, details: JSON.stringify(details) },
    select: { id: true },
  });
  return id;
}

/** What is added to a line that counts. */
interface CountedAct extends Omit<AuditLine, 'details'> {
  readonly count: number;
}

/** Adds to the line that counts an act of a credential in an hour, on one target or on many. */
export async function addToAuditLine(transaction: Transaction, counted: CountedAct): Promise<void> {
  const { act, by, target, at, count } = counted;
  const id = idOfHour(counted);
  await transaction.auditEntry.upsert({
    where: { id },
    create: { ...rowOf(act, by, at), id, target, details: '{}', count },
    update: { count: { increment: count } },
  });
}

/** The line that counts such an act in this hour: the same on every instance, in the form of a UUID. */
export function idOfHour({ act, by, target, at }: Omit<CountedAct, 'count'>): string {
  const hour = Math.floor(at.getTime() / HOUR_MS);
  const told = target === null ? [act, by.kind, by.id, hour] : [act, by.kind, by.id, hour, target];
  return hash('sha256', JSON.stringify(told)).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');
}

/**
 * Takes an erased user out of the lines about them, in the transaction of the erasure. What stays in place of the id finds
 * the lines for whoever has the id, or can guess it.
 */
export async function eraseFromAudit(transaction: Transaction, userId: string): Promise<void> {
  await transaction.auditEntry.updateMany({ where: { target: userId }, data: { target: erased(userId) } });
}

/**
 * What stands in the audit log for a user who was erased. A random id cannot be guessed back from it. Clients choose ids, though:
 * one that is made from something else, such as an address of mail, is found by whoever tries that.
 */
export function erased(userId: string): string {
  return `sha256:${hash('sha256', userId)}`;
}

/** Who did what, and when, of all acts of administration. */
export class Audit {
  readonly #database: Database;
  readonly #limits: Pick<Limits, 'auditDays' | 'retentionBatch'>;

  constructor(parts: {
    readonly database: Database;
    readonly limits: Pick<Limits, 'auditDays' | 'retentionBatch'>;
  }) {
    this.#database = parts.database;
    this.#limits = parts.limits;
  }

  /**
   * Counts an act on a user, in the line of the credential and the hour. Resolves when that is durable. An erasure finds the line, as
   * it waits for this or comes first.
   * @throws AppError NOT_FOUND when the user has gone
   */
  async countOfUser(act: Act, by: Administrator, userId: string, at: Date): Promise<void> {
    const lock = this.#database.kind === 'postgresql' ? sql`FOR KEY SHARE` : emptySql;
    await this.#database.transaction(async (transaction) => {
      const users = await transaction.$queryRaw<object[]>`SELECT id FROM "user" WHERE id = ${userId} ${lock}`;
      if (users.length === 0) throw noSuchUser(userId);
      await addToAuditLine(transaction, { act, by, target: userId, at, count: 1 });
    });
  }

  /** A page, newest first; one statement, by an index. */
  async list({ after, before, limit, fromEnd, target }: AuditPageRequest): Promise<AuditEntry[]> {
    const conditions = [sql`true`];
    if (target != null) conditions.push(sql`a.target = ${target}`);
    if (after) conditions.push(sql`(a.at, a.id) < (${after.at}, ${after.id})`);
    if (before) conditions.push(sql`(a.at, a.id) > (${before.at}, ${before.id})`);
    const direction = rawSql(fromEnd ? 'ASC' : 'DESC');
    const rows = await this.#database.reader.$queryRaw<AuditRow[]>`
      SELECT ${selectedLine} FROM audit_entry a WHERE ${joinSql(conditions, ' AND ')}
      ORDER BY a.at ${direction}, a.id ${direction} LIMIT ${limit}`;
    const found = rows.map((row) => ({ ...row, details: JSON.parse(row.details) as unknown }));
    return fromEnd ? found.reverse() : found;
  }

  /** As `list`, of the lines about a user that came before and after an erasure as well. */
  async about(target: string, page: Page<AuditKey>): Promise<AuditEntry[]> {
    if (!isUuid(target)) return this.list({ ...page, target });
    const [named, hashed] = await Promise.all([
      this.list({ ...page, target: target.toLowerCase() }),
      this.list({ ...page, target: erased(target.toLowerCase()) }),
    ]);
    const sorted = [...named, ...hashed].sort((a, b) => Number(b.at) - Number(a.at) || (a.id < b.id ? 1 : -1));
    return page.fromEnd ? sorted.slice(-page.limit) : sorted.slice(0, page.limit);
  }

  /** Removes the lines that are older than `auditDays`, batch by batch. @param now the database's time, if it is believed */
  async sweep(now: Date, signal?: AbortSignal): Promise<void> {
    const { auditDays, retentionBatch } = this.#limits;
    const cutoff = new Date(now.getTime() - auditDays * 24 * HOUR_MS);
    for (let removed = retentionBatch; removed === retentionBatch && !signal?.aborted; )
      removed = await this.#database.transaction(
        (transaction) => transaction.$executeRaw`
          DELETE FROM audit_entry WHERE id IN (
            SELECT id FROM audit_entry WHERE at < ${cutoff} ORDER BY at, id LIMIT ${retentionBatch})`,
      );
  }
}

const selectedLine = selectOf('a', auditFields);

function rowOf(act: Act, by: Administrator, at: Date) {
  return { act, at, byKind: by.kind, byId: by.id, byName: by.name };
}
