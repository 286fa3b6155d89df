/** A part of time: it begins with `since`, and ends before `until`. What is not given bounds nothing. */
export interface TimeSpan {
  readonly since?: Date | null | undefined;
  readonly until?: Date | null | undefined;
}

export function isWithin(time: Date, { since, until }: TimeSpan): boolean {
  return (since == null || time >= since) && (until == null || time < until);
}
