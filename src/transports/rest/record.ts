import { GraphQLError } from 'graphql';
import { HTTPException } from 'hono/http-exception';
import { AppError, type ErrorCode } from '../../errors.ts';
import type { EventProblem } from '../../events/check-event.ts';
import { json } from './answer.ts';
import { readJson } from './json-body.ts';
import { readUuid } from './parameters.ts';
import type { Route } from './route.ts';
import { problemAt, readEvent, wireNameOf } from './wire-event.ts';

const document = `mutation RecordSyncEvents($events: [SyncEventInput!]!) {
  recordSyncEvents(input: { events: $events }) { results { duplicate event { id sequence } } }
}`;

interface Data {
  readonly recordSyncEvents: {
    readonly results: readonly {
      readonly duplicate: boolean;
      readonly event: { readonly id: string; readonly sequence: number };
    }[];
  };
}

/** Records one event or several, all or nothing, for a user who exists. */
export const eventRecording: Route = {
  method: 'POST',
  path: '/users/:user_id/sync/events',
  open({ prepare, limits }) {
    const run = prepare<Data>(document);
    return async (request, viewer) => {
      const userId = readUuid(request, 'user_id');
      const body = await readJson(request.raw, limits.requestBytes);
      if (typeof body !== 'object' || body === null)
        throw new HTTPException(400, { message: 'The body must be an event or an array of events' });
      const placeOf = (index: number) => (Array.isArray(body) ? `events[${index}]` : '');
      const given: readonly unknown[] = Array.isArray(body) ? body : [body];
      const events = given.map((event, index) => readEvent(event, userId, placeOf(index)));
      const { recordSyncEvents } = await run(viewer, { events }).catch((error: unknown) => {
        throw inWireNames(error, placeOf);
      });
      const answers = recordSyncEvents.results.map(({ event: { id, sequence }, duplicate }) => ({
        event_id: id,
        sequence,
        duplicate,
      }));
      return json(201, JSON.stringify(answers));
    };
  },
};

/** The same error, saying where its first problem stands in the request. */
function inWireNames(error: unknown, placeOf: (index: number) => string): unknown {
  if (!(error instanceof GraphQLError)) return error;
  // The mutation lists them like this; other errors have none.
  const problems = error.extensions.problems as readonly (EventProblem & { index: number })[] | undefined;
  const problem = problems?.[0];
  if (!problem) return error;
  const message = problemAt(placeOf(problem.index), wireNameOf(problem.field), problem.message);
  return new AppError(error.extensions.code as ErrorCode, message); // formatted errors have a code of the table
}
