import { durationBounds, Histogram } from '../lib/histogram.ts';

/** What the logs of this process have done since it began, for who watches over it. */
export class LogFigures {
  /** Events that were added. */
  recorded = 0;
  /** Drafts that the log had already. */
  duplicates = 0;
  /** How many recordings have shared a transaction. */
  readonly groups = new Histogram([1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000]);
  /**
   * How long it took, in seconds, until newest events of a log were handed to the socket of a reader: since the first of them was
   * recorded or, if that was later, since the reader was ready for them.
   */
  readonly deliveryLag = new Histogram(durationBounds);
  /** How often a look has found a followed log longer than any wake-up had told until the next look. */
  lostWakeUps = 0;
  /** How often wake-ups may have been missed, as the wire to other instances was down. */
  gaps = 0;
}
