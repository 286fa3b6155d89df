import type { ProviderDataType, ProviderLink } from '../db/rows.ts';
import type { Judgement, ReasonActor } from '../reasons/reason-rules.ts';
import type { JudgedHealth } from './connection-health.ts';

/** What an event tells, and since when that is so. */
interface Told {
  readonly sequence: number;
  readonly since: Date | null;
}

interface HistoryRun {
  /** Its newest event, and when it began if it is under way, else the time of that event. */
  readonly newest: Told;
  readonly isUnderWay: boolean;
  readonly failedBatches: number;
  /** The newest of its failures that nothing has made good, and who can do something about it. */
  readonly failure: (Told & Pick<Judgement, 'actor'>) | undefined;
}

/** What is looked at to say in one sentence how a connection stands. */
export interface Standing {
  readonly link: ProviderLink;
  readonly health: JudgedHealth;
  /** What is wrong with the connection; null when nothing is. */
  readonly reason: Judgement | null;
  /** Is nobody to read the words that told what is wrong? */
  readonly hidesProblem?: boolean;
  /** Types of data that did not succeed. */
  readonly dataTypes: readonly ProviderDataType[];
  /** The newest event of the run that is under way, and when that began. */
  readonly running: Told | undefined;
  /** The newest run about history, as far as it is kept; not looked for once the history has come in. */
  readonly history: HistoryRun | undefined;
  /** In milliseconds since 1970. */
  readonly now: number;
}

/** How a connection stands, since when, who can do something about it, and the events that prove it. */
export interface Explained {
  readonly verdict: string;
  readonly since: Date | null;
  /** Null where nobody has to do anything. */
  readonly actor: ReasonActor | null;
  /** Sequences in the log of the user, the most telling first. */
  readonly evidence: readonly number[];
}
