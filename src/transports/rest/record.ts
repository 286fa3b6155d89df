import { GraphQLError } from 'graphql';
import { HTTPException } from 'hono/http-exception';
import { AppError, type ErrorCode } from '../../errors.ts';
import { bodyBytesOf, readJson } from '../../gate/read-body.ts';
import type { InputProblem } from '../../operations/input-problems.ts';
import { json } from '../answer.ts';
import { arrayOf, schemaNamed } from './json-schema.ts';
import { userInPath } from './parameters.ts';
import { defineRoute } from './route.ts';
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
export const eventRecording = defineRoute({
  method: 'POST',
  path: '/users/:user_id/sync/events',
  operationId: 'recordSyncEvents',
  summary: 'Record events',
  description: 'All or nothing; the answer means that they are stored. An `event_id` makes a retry harmless.',
  parameters: () => ({ user_id: userInPath }),
  body: {
    description: 'One event, or several.',
    schema: { oneOf: [schemaNamed('SyncEventInput'), arrayOf(schemaNamed('SyncEventInput'))] },
  },
  answer: {
    status: 201,
    description: 'For each event, in their order: its number in the log, and whether it was there before.',
    type: 'application/json',
    schema: arrayOf({
      type: 'object',
      properties: {
        event_id: { type: 'string', format: 'uuid' },
        sequence: { type: 'integer' },
        duplicate: { type: 'boolean' },
      },
      required: ['event_id', 'sequence', 'duplicate'],
    }),
  },
  errors: ['NOT_FOUND', 'EVENT_ID_CONFLICT', 'LIMIT_EXCEEDED'],
  open({ prepare, limits }) {
    const run = prepare<Data>(document);
    return async ({ user_id: userId }, visit, request) => {
      const body = await readJson(request.raw, bodyBytesOf(visit.viewer, limits));
      if (typeof body !== 'object' || body === null)
        throw new HTTPException(400, { message: 'The body must be an event or an array of events' });
      const placeOf = (index: number) => (Array.isArray(body) ? `events[${index}]` : '');
      const given: readonly unknown[] = Array.isArray(body) ? body : [body];
      const events = given.map((event) => readEvent(event, userId));
      const { recordSyncEvents } = await run(visit, { events }).catch((error: unknown) => {
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
});

/** The same error, saying where its first problem stands in the request. */
function inWireNames(error: unknown, placeOf: (index: number) => string): unknown {
  if (!(error instanceof GraphQLError)) return error;
  // The mutation lists them like this; other errors have none.
  const listed = error.extensions.problems as readonly InputProblem[] | undefined;
  const problems = listed?.map((problem) => ({ ...problem, field: wireNameOf(problem.field) }));
  const [first] = problems ?? [];
  if (!first) return error;
  const message = problemAt(placeOf(first.index), first.field, first.message);
  return new AppError(error.extensions.code as ErrorCode, message, { problems }); // formatted errors have a code of the table
}
