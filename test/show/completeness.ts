import type { TestDatabase } from '../support/database.ts';
import { tellCasualWearer } from './casual-wearer.ts';
import { tellGarminBackfill } from './garmin-backfill.ts';
import { tellPhoneExport } from './phone-export.ts';
import { openStage, type Person } from './stage.ts';
import { type MomentName, moments, type Verdict } from './verdicts.ts';

/** Asks how a connection stands at a moment whose verdict is expected. */
export type Look = (moment: MomentName, person: Person) => Promise<void>;

/** What the API has said at a moment of a story, beside what was expected. */
export interface Shown {
  readonly at: string;
  readonly happened: string;
  readonly says: Verdict;
  readonly expected: Verdict;
  readonly isAsExpected: boolean;
}

/**
 * Tells each story to a server of its own, on an empty database, and asks at each of the moments.
 * @throws Error where a story passes over a moment
 */
export async function showCompleteness(createDatabase: () => Promise<TestDatabase>): Promise<readonly Shown[]> {
  const answers = new Map<MomentName, { readonly at: string; readonly says: Verdict }>();
  await Promise.all(
    [tellGarminBackfill, tellPhoneExport, tellCasualWearer].map(async (tell) => {
      const stage = await openStage(await createDatabase());
      try {
        await tell(stage, async (moment, person) => {
          answers.set(moment, { at: stage.moment(), says: await stage.look(person) });
        });
      } finally {
        await stage.close();
      }
    }),
  );
  return Object.entries(moments).map(([name, { happened, expected }]) => {
    const answer = answers.get(name as MomentName); // the keys of the table
    if (!answer) throw new Error(`No story has come to the moment "${name}"`);
    return { ...answer, happened, expected, isAsExpected: toText(answer.says) === toText(expected) };
  });
}

/** All that is said of a connection, in two lines. */
export function toText({ verdict, state, health, actor, since, evidence, history, dataTypes }: Verdict): string {
  const details = [
    `${state}, ${health}`,
    actor ? `actor ${actor}` : 'nobody has to act',
    since && `since ${since}`,
    evidence.length > 0 && `shown by ${evidence.join(', ')}`,
    history && `history ${history}`,
    ...dataTypes,
  ];
  return `${verdict}\n${details.filter(Boolean).join('; ')}`;
}
