import { type Random, uuid } from '../lib/random.ts';
import type { EventDraft } from '../log/event.ts';
import { accountsOf } from './accounts.ts';
import type { Person } from './people.ts';
import { type Period, routineOf } from './routine.ts';
import { performedAt } from './scenario.ts';

interface HistoryOptions {
  /** Nothing happens after it. */
  readonly now: Date;
  readonly days?: number;
  readonly random: Random;
}

/**
 * Weeks of syncs of these people, oldest first, the runs of all of them interleaved. It depends on its arguments alone:
 * with the same seed and `now` it has the same events, ids included. With another `now` the seed must differ too, or
 * the ids come again for other events.
 */
export function history(people: readonly Person[], { now, days = 21, random }: HistoryOptions): EventDraft[] {
  const period: Period = { from: now.getTime() - days * 86_400_000, to: now.getTime() };
  const accounts = accountsOf(people);
  return (
    people
      .flatMap((person) =>
        routineOf(
          random,
          accounts.filter((account) => account.person === person),
          period,
        ),
      )
      .map(({ startsAt, scenario }) => performedAt(new Date(startsAt), scenario))
      // What would reach past `now` has not begun: half of it would look like a run that got stuck.
      .filter((drafts) => drafts.every((draft) => timeOf(draft) <= period.to))
      .flat()
      .sort((one, other) => timeOf(one) - timeOf(other))
      .map((draft) => ({ ...draft, id: uuid(random) }))
  );
}

function timeOf({ timestamp }: EventDraft): number {
  return timestamp?.getTime() ?? 0;
}
