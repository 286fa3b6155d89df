/** Where a user's log begins and ends: a user row has these fields. */
export interface LogBounds {
  readonly userId: string;
  /** Sequence of the newest event; 0 for an empty log. */
  readonly headSequence: number;
  /** Sequence of the oldest event kept; head + 1 when none is. */
  readonly tailSequence: number;
}

/** A log as a look into the database finds it. */
export interface FoundLog extends LogBounds {
  /** When its user was made: a user who is deleted and made anew has another log. */
  readonly createdAt: Date;
}
