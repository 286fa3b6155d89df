import type { Administrator } from '../audit/acts.ts';
import { erased, eraseFromAudit, writeAuditLine } from '../audit/audit.ts';
import type { Database, Transaction } from '../db/database.ts';
import { isListed } from '../db/listed.ts';
import { sql } from '../db/sql.ts';
import type { Cut } from '../log/sql/log-sql.ts';
import { quarantinedOf } from './quarantined-entries.ts';

/** An entry may be in quarantine so long after it is said to have been seen, by what a transaction takes and clocks differ. */
const LOOK_BACK_MS = 60_000;

/** What was removed with a user. */
export interface ErasureReceipt extends Cut {
  readonly userId: string;
  readonly erasedAt: Date;
  /** Line of the audit log that says the same. */
  readonly auditId: string;
  readonly connections: number;
  readonly dataTypes: number;
  readonly quarantinedEntries: number;
}

interface Erasure {
  /** What of the log went before, in transactions of its own. */
  readonly removed: Cut;
  /** Fingerprints of the entries in quarantine that tell of the user, as far as they were there at `lookedAt`. */
  readonly quarantined: readonly string[];
  readonly lookedAt: Date;
  readonly now: Date;
  readonly by: Administrator;
}

/**
 * Removes a user with everything that is theirs; nothing if there is none with this id. Nobody is deleted before being made,
 * whatever the clocks say.
 */
export async function eraseUser(
  transaction: Transaction,
  database: Pick<Database, 'kind'>,
  id: string,
  { removed, quarantined, lookedAt, now, by }: Erasure,
): Promise<ErasureReceipt | undefined> {
  const [user] = await transaction.user.updateManyAndReturn({ where: { id }, data: { id } }); // locks, and looks
  if (!user) return undefined;
  const ofUser = { where: { userId: id } };
  // All was looked through before, as it takes a while. What has come since is found by an index.
  const come = await quarantinedOf(transaction, id, new Date(lookedAt.getTime() - LOOK_BACK_MS));
  const told = [...quarantined, ...come];
  const counts = {
    events: removed.events + user.headSequence - user.tailSequence + 1, // the log is dense
    runs: removed.runs + (await transaction.syncRun.count(ofUser)),
    connections: await transaction.providerLink.count(ofUser),
    dataTypes: await transaction.providerDataType.count(ofUser),
    quarantinedEntries: await transaction.$executeRaw`
      DELETE FROM quarantined_entry WHERE ${isListed(database, sql`fingerprint`, told, 'text')}`,
  };
  await transaction.user.deleteMany({ where: { id } });
  const deletedAt = user.createdAt > now ? user.createdAt : now;
  await transaction.deletedUser.upsert({ where: { id }, create: { id, deletedAt }, update: { deletedAt } });
  await eraseFromAudit(transaction, id);
  const line = { act: 'user_deleted', by, target: erased(id), at: now, details: counts } as const;
  return { userId: id, erasedAt: now, auditId: await writeAuditLine(transaction, line), ...counts };
}
