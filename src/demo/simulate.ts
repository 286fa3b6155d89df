import { AppError, type ErrorCode } from '../errors.ts';
import type { EventLog } from '../log/event-log.ts';
import { type LiveOptions, live } from './live.ts';
import type { Person } from './people.ts';

/** A visitor may delete a person of the demo, or keep the log busy. The demo goes on without the event. */
const survivable: readonly ErrorCode[] = ['NOT_FOUND', 'UNAVAILABLE'];

/** Records syncs of these people as they happen, until `signal` aborts. @throws what makes recording impossible */
export async function simulate(log: EventLog, people: readonly Person[], options: LiveOptions): Promise<void> {
  for await (const draft of live(people, options)) {
    try {
      await log.record([draft]);
    } catch (error) {
      if (!(error instanceof AppError) || !survivable.includes(error.code)) throw error;
    }
  }
}
