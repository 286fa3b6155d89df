import type { Provider, Transaction } from '../db/database.ts';
import { databaseTime } from '../db/database-clock.ts';

/**
 * Takes the lease of a source for an instance, or renews the lease that the instance has: for `ms` milliseconds from now.
 * The lease stands in the source's row. False while another instance is the holder.
 */
export async function takeLease(
  transaction: Transaction,
  provider: Provider,
  { name, holder, ms }: { readonly name: string; readonly holder: string; readonly ms: number },
): Promise<boolean> {
  const now = databaseTime[provider];
  const taken = await transaction.$executeRaw`
    UPDATE source SET holder = ${holder}, held_until = ${now} + CAST(${ms} AS INTEGER)
    WHERE name = ${name} AND (holder = ${holder} OR holder IS NULL OR held_until <= ${now})`;
  return taken > 0;
}

/** Gives the lease of a source up, so that another instance may take the source at once. */
export async function releaseLease(transaction: Transaction, name: string, holder: string): Promise<void> {
  await transaction.source.updateMany({ where: { name, holder }, data: { holder: null, heldUntil: 0 } });
}
