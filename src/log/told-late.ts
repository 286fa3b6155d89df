/**
 * Older than this by the word of its producer, in milliseconds, an event is history when it is recorded. A producer's clock
 * that shows the time of another zone makes it hours late, and no more.
 */
export const toldLateMs = 48 * 3_600_000;
