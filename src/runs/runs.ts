import type { Visibility } from '../auth/permissions.ts';
import type { Database } from '../db/database.ts';
import type { Prisma, SyncRun } from '../db/generated/sqlite/client.ts';
import { beyond } from '../db/keyset.ts';

/** Which runs are wanted: those that match every given part. An empty list matches nothing. Words are wire words. */
export interface SyncRunFilter {
  readonly userId?: string | null | undefined;
  readonly providers?: readonly string[] | null | undefined;
  readonly sources?: readonly string[] | null | undefined;
  readonly statuses?: readonly string[] | null | undefined;
}

/** A run's key. */
export interface RunId {
  readonly userId: string;
  readonly runId: string;
}

/** Where a run stands in a list of runs, which is ordered by the time of its newest event, newest first. */
export interface RunKey extends RunId {
  readonly lastEventAt: Date;
}

export interface RunPage {
  readonly after?: RunKey | undefined;
  readonly before?: RunKey | undefined;
  readonly limit: number;
  /** From the end of the list instead of its beginning; the answer is in list order all the same. */
  readonly fromEnd: boolean;
}

const listFilters = [
  ['providers', 'provider'],
  ['sources', 'source'],
  ['statuses', 'status'],
] as const;

/** The runs with these keys, as far as they exist, in one statement. */
export function findRuns(database: Database, keys: readonly RunId[]): Promise<SyncRun[]> {
  return database.reader.syncRun.findMany({ where: { OR: keys.map(({ userId, runId }) => ({ userId, runId })) } });
}

/** A page of the visible runs that match, newest first. */
export async function listRuns(
  database: Database,
  visible: Visibility,
  filter: SyncRunFilter | null | undefined,
  { after, before, limit, fromEnd }: RunPage,
): Promise<SyncRun[]> {
  if (visible.kind === 'none') return [];
  const conditions: Prisma.SyncRunWhereInput[] = [];
  if (visible.kind === 'one') conditions.push({ userId: visible.userId });
  if (filter?.userId != null) conditions.push({ userId: filter.userId });
  for (const [list, field] of listFilters) {
    const words = filter?.[list];
    if (words) conditions.push({ [field]: { in: [...words] } });
  }
  if (after) conditions.push(beyond(Object.entries(keyOf(after)), 'desc'));
  if (before) conditions.push(beyond(Object.entries(keyOf(before)), 'asc'));
  const direction = fromEnd ? 'asc' : 'desc';
  const runs = await database.reader.syncRun.findMany({
    where: { AND: conditions },
    orderBy: [{ lastEventAt: direction }, { userId: direction }, { runId: direction }],
    take: limit,
  });
  return fromEnd ? runs.reverse() : runs;
}

export function matchesRun(run: SyncRun, filter: SyncRunFilter | null | undefined): boolean {
  if (!filter) return true;
  if (filter.userId != null && run.userId !== filter.userId) return false;
  return listFilters.every(([list, field]) => filter[list]?.includes(run[field]) ?? true);
}

/** Where a run stands in a list, its fields in order of their weight. */
export function keyOf({ lastEventAt, userId, runId }: RunKey): RunKey {
  return { lastEventAt, userId, runId };
}
