import type { GraphQLError } from 'graphql';
import type { Limits } from '../../limits.ts';
import { resultCursor, type StreamedResult } from '../../operations/result-stream.ts';
import { type EventFormat, eventStreamHeaders, once, toEventStream } from '../sse.ts';
import { eventFilterParameters, toEventFilter } from './event-filter.ts';
import { schemaNamed } from './json-schema.ts';
import { cursorInQuery, integer, text, userInPath } from './parameters.ts';
import { defineRoute } from './route.ts';
import { wireEventFields, writeEvent } from './wire-event.ts';
import { type Selected, selectionOf } from './wire-fields.ts';

const document = `subscription FollowSyncEvents(
  $userId: UUID!, $after: SyncCursor, $replay: Int, $filter: SyncEventFilter
) {
  syncEvents(userId: $userId, after: $after, replayLast: $replay, filter: $filter) {
    events { cursor ${selectionOf(wireEventFields)} }
    reset { reason oldest_cursor: oldestCursor head_cursor: headCursor }
  }
}`;

interface Step {
  readonly events: readonly Selected[];
  readonly reset: object | null;
}

/** A user's log, live: Open Wearables' `/sync/stream`, which resumes. */
export const eventStream = defineRoute({
  method: 'GET',
  path: '/users/:user_id/sync/stream',
  operationId: 'followSyncEvents',
  summary: "A user's events as they come",
  description: [
    'Server-sent events: first the newest stored ones, oldest first, then each new one. Each `sync.status` has an event as',
    'its data and its cursor as its `id`; coming back with the `Last-Event-ID`, or with `after`, misses none and repeats',
    'none. `sync.reset` tells that the stream could not go on there, and `sync.end` why the server ends it. **Swagger UI shows',
    'an answer when it has ended, so it shows nothing of a stream**: run the command that it prints as `curl -N` instead.',
  ].join(' '),
  parameters: ({ pageSize, defaultReplay }) => ({
    user_id: userInPath,
    replay: integer({
      min: 0,
      max: pageSize,
      fallback: defaultReplay,
      description:
        'How many of the newest stored events come first, those included that a filter hides; none with 0: only what comes from now on.',
    }),
    after: cursorInQuery,
    ...eventFilterParameters,
    'last-event-id': text('header', 'The last `id` that was received; wins over `after`, as that does over `replay`.'),
  }),
  answer: {
    status: 200,
    description: 'Events, for as long as the client stays.',
    type: 'text/event-stream',
    schema: schemaNamed('SyncEvent'),
  },
  errors: ['NOT_FOUND'],
  takesTokenInQuery: true,
  open({ prepareStream, limits }) {
    const follow = prepareStream(document);
    return async ({ user_id: userId, replay, after, 'last-event-id': lastId, ...filters }, visit, request) => {
      const results = await follow({
        viewer: visit.viewer,
        address: visit.address,
        spending: visit.spending,
        variables: { userId, ...from(after, replay), filter: toEventFilter(filters) },
        resumeAfter: lastId ?? null,
        client: request.raw.signal,
      });
      // Once the log has answered, nothing that comes can be missed: only then is the client connected.
      const first = await results.next();
      if (first.value?.errors?.[0]) throw first.value.errors[0];
      return answerWith(untilError(first, results), limits);
    };
  },
});

/** Where to begin, as `syncEvents` takes it: with neither, at the end of the log. */
function from(after: string | undefined, replay: number): object {
  if (after !== undefined) return { after };
  return replay === 0 ? {} : { replay };
}

/**
 * The answer for a browser's `EventSource` to a stream that cannot begin now: a stream that ends at once, so that it comes
 * back. After any status but 200 it never would.
 */
export function streamForLater(error: GraphQLError, limits: Limits): Response {
  return answerWith(once({ errors: [error] }), limits);
}

function answerWith(results: AsyncIterator<StreamedResult, void>, { streamRetryMs, heartbeatMs }: Limits): Response {
  const body = toEventStream(results, statusEvents(streamRetryMs), heartbeatMs);
  return new Response(body, { headers: { ...eventStreamHeaders, 'transfer-encoding': 'chunked' } });
}

/** Results of which the first has been taken already. The first with an error is the last: what follows has a hole. */
function untilError(
  first: IteratorResult<StreamedResult, void>,
  results: AsyncGenerator<StreamedResult, void>,
): AsyncIterator<StreamedResult, void> {
  let waiting: typeof first | undefined = first;
  let failed = false;
  return {
    async next() {
      if (failed) return results.return();
      const step = waiting ?? (await results.next());
      waiting = undefined;
      failed = step.value?.errors !== undefined;
      return step;
    },
    return: () => results.return(),
  };
}

/** Frames as Open Wearables writes them. Its clients ignore the further lines and event names of these frames. */
function statusEvents(retryMs: number): EventFormat {
  let lastId: string | undefined;
  const retryLine = `retry: ${retryMs}\n`;

  /** The lines that tell a browser where to resume; the first of them also tell how soon. */
  function position(cursor: unknown): string {
    const retry = lastId === undefined ? retryLine : '';
    lastId = String(cursor);
    return `${retry}id: ${lastId}\n`;
  }

  return {
    write({ data, errors, [resultCursor]: cursor }: StreamedResult) {
      const [error] = errors ?? [];
      if (error)
        return (
          (lastId === undefined ? retryLine : '') +
          frame('sync.end', JSON.stringify({ message: error.message, ...error.extensions }))
        );
      const step = data?.syncEvents as Step; // without errors there is what the document asks for
      const frames = step.events.map((event) => position(event.cursor) + frame('sync.status', writeEvent(event)));
      if (step.reset) frames.unshift(frame('sync.reset', JSON.stringify(step.reset)));
      // The rest of the log does not match: a frame without an event moves the place where a browser resumes.
      if (cursor !== lastId) frames.push(`${position(cursor)}\n`);
      return frames.join('');
    },
    end: () => '',
    heartbeat: ': heartbeat\n\n',
  };
}

/** JSON text holds no line break of ASCII. Those of Unicode are escaped: some clients would end the line there. */
function frame(event: string, json: string): string {
  const escaped = json.replace(
    /[\u0085\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `event: ${event}\ndata: ${escaped}\n\n`;
}
