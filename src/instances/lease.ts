import type { Provider, Queryable, Transaction } from '../db/database.ts';
import { type Sql, sql } from '../db/sql.ts';

/** Milliseconds since 1970 by the database's clock, the one that all instances share. */
const nowIn: Readonly<Record<Provider, Sql>> = {
  sqlite: sql`CAST(unixepoch('subsec') * 1000 AS INTEGER)`,
  postgresql: sql`CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)`,
};

/**
 * Takes the lease of a source for an instance, or renews the lease that the instance has: for `ms` milliseconds from now.
 * The lease stands in the source's row. False while another instance is the holder.
 */
export async function takeLease(
  transaction: Transaction,
  provider: Provider,
  { name, holder, ms }: { readonly name: string; readonly holder: string; readonly ms: number },
): Promise<boolean> {
  const now = nowIn[provider];
  const taken = await transaction.$executeRaw`
    UPDATE source SET holder = ${holder}, held_until = ${now} + CAST(${ms} AS INTEGER)
    WHERE name = ${name} AND (holder = ${holder} OR holder IS NULL OR held_until <= ${now})`;
  return taken > 0;
}

/** Gives the lease of a source up, so that another instance may take the source at once. */
export async function releaseLease(transaction: Transaction, name: string, holder: string): Promise<void> {
  await transaction.source.updateMany({ where: { name, holder }, data: { holder: null, heldUntil: 0 } });
}

/** The database's clock, in milliseconds since 1970: a lease is held while its `heldUntil` is later. */
export async function readDatabaseTime(queryable: Queryable, provider: Provider): Promise<bigint> {
  const [row] = await queryable.$queryRaw<{ now: bigint | number }[]>`SELECT ${nowIn[provider]} AS now`;
  return BigInt(row?.now ?? 0);
}
