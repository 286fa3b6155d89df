import { setImmediate as nextTurn } from 'node:timers/promises';
import { inPieces } from '../lib/in-pieces.ts';
import type { Random } from '../lib/random.ts';
import type { Services } from '../services.ts';
import { history } from './history.ts';
import type { Person } from './people.ts';

interface LoadOptions {
  /** The history ends here. */
  readonly now: Date;
  /** In earnest `Math.random`: a seed used twice repeats event ids, which a log refuses. */
  readonly random: Random;
  readonly signal: AbortSignal;
  /** Called before the first batch and after each. */
  readonly onProgress: (recorded: number, total: number) => void;
}

/** What the logs of the demo's people hold: a history that was just recorded, or what an earlier start left there. */
export interface LoadedDemo {
  readonly kind: 'recorded' | 'kept';
  readonly events: number;
}

/**
 * Makes those of the people who do not exist and, unless their logs hold anything, records weeks of their syncs.
 * @throws the reason of `signal`, and whatever recording throws; then the people are gone again, with what was recorded.
 */
export async function loadDemo(
  services: Services,
  people: readonly Person[],
  options: LoadOptions,
): Promise<LoadedDemo> {
  const known = await services.users.byIds(people.map(({ id }) => id));
  const knownIds = new Set(known.map(({ id }) => id));
  await createUsers(
    services,
    people.filter(({ id }) => !knownIds.has(id)),
  );
  const events = known.reduce((sum, user) => sum + user.headSequence - user.tailSequence + 1, 0);
  if (events > 0) return { kind: 'kept', events };
  try {
    return { kind: 'recorded', events: await recordHistory(services, people, options) };
  } catch (error) {
    // The next start would keep a history that breaks off somewhere: all syncs would seem to have stopped there.
    await Promise.allSettled(people.map(({ id }) => services.users.delete(id)));
    throw error;
  }
}

/** The list of users is newest first, so the first person is made last. */
async function createUsers({ users }: Services, people: readonly Person[]): Promise<void> {
  for (const { id, externalUserId, email, firstName, lastName } of people.toReversed())
    await users.upsert({ id, externalUserId, email, firstName, lastName });
}

async function recordHistory(
  { log, limits }: Services,
  people: readonly Person[],
  { now, random, signal, onProgress }: LoadOptions,
): Promise<number> {
  const drafts = history(people, { now, random });
  onProgress(0, drafts.length);
  let recorded = 0;
  for (const batch of inPieces(drafts, limits.eventsPerRecording)) {
    // The database answers within the same turn of the event loop, and neither signals nor requests are heard in it.
    await nextTurn();
    signal.throwIfAborted();
    await log.record(batch);
    recorded += batch.length;
    onProgress(recorded, drafts.length);
  }
  return drafts.length;
}
