import type { SyncEvent } from './event.ts';

/**
 * Further ahead of this server's clock than this, in milliseconds, a producer's time is not believed. A clock that shows the
 * time of another zone is hours ahead, and no more.
 */
const toldEarlyMs = 24 * 3_600_000;

/** A time that an event tells, as far as it is believed; else when the event was recorded. */
export function believed(time: Date, { recordedAt }: Pick<SyncEvent, 'recordedAt'>): Date {
  return time.getTime() - recordedAt.getTime() > toldEarlyMs ? recordedAt : time;
}

/**
 * When an event happened, for the order of its run. By the producer's clock: what that says of one event is compared with
 * what it says of the next. A time that no clock is ahead by is the one of recording instead, or nothing that follows would
 * count for as long.
 */
export function happenedAt(event: Pick<SyncEvent, 'timestamp' | 'recordedAt'>): Date {
  return believed(event.timestamp, event);
}
