/** An event as a producer sends it; times are ISO texts. */
export interface Draft {
  readonly id: string;
  readonly userId: string;
  readonly runId: string;
  readonly provider: string;
  readonly source: string;
  readonly stage: string;
  readonly status: string;
  readonly message?: string;
  readonly progress?: number;
  readonly itemsProcessed?: number;
  readonly itemsTotal?: number;
  readonly metadata?: object;
  readonly startedAt?: string;
  readonly endedAt?: string;
  readonly timestamp: string;
}

/** What became of a draft. */
export interface Recorded {
  readonly sequence: number;
  readonly duplicate: boolean;
}

/** A draft that is new to the log, with its number. */
export interface Numbered {
  readonly draft: Draft;
  readonly sequence: number;
}

/** What a run's row takes over from the new events of a group. */
export interface FoldedRun {
  readonly newest: Numbered;
  readonly events: number;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
}

/** The log in one of the databases. */
export interface WriteLog {
  /** Stores drafts in one transaction: a number for each, without holes, and an id that is there already changes nothing. */
  write(drafts: readonly Draft[]): Promise<readonly Recorded[]> | readonly Recorded[];
}

const finished = new Set(['success', 'partial', 'failed', 'cancelled']);
export const isFinished = (status: string) => finished.has(status);

/**
 * Numbers what is new.
 * @param heads of the users who exist, which it raises
 * @param known numbers of ids that are in the log, which it adds to
 * @throws when there is no such user
 */
export function numberDrafts(
  drafts: readonly Draft[],
  heads: Map<string, number>,
  known: Map<string, number>,
): { readonly results: Recorded[]; readonly added: Numbered[] } {
  const added: Numbered[] = [];
  const results = drafts.map((draft) => {
    const earlier = known.get(draft.id);
    if (earlier !== undefined) return { sequence: earlier, duplicate: true };
    const head = heads.get(draft.userId);
    if (head === undefined) throw new Error(`There is no user ${draft.userId}`);
    const sequence = head + 1;
    heads.set(draft.userId, sequence);
    known.set(draft.id, sequence);
    added.push({ draft, sequence });
    return { sequence, duplicate: false };
  });
  return { results, added };
}

export function foldRuns(added: readonly Numbered[]): FoldedRun[] {
  const runs = new Map<string, FoldedRun>();
  for (const newest of added) {
    const { userId, runId, startedAt, endedAt } = newest.draft;
    const key = `${userId} ${runId}`;
    const before = runs.get(key);
    runs.set(key, {
      newest,
      events: (before?.events ?? 0) + 1,
      startedAt: startedAt ?? before?.startedAt ?? null,
      endedAt: endedAt ?? before?.endedAt ?? null,
    });
  }
  return [...runs.values()];
}
