import { AppError } from '../../../errors.ts';
import { userInPath } from '../parameters.ts';
import { defineRoute } from '../route.ts';
import { exportLines, unpaid } from './export-lines.ts';
import { prepareExportReads } from './export-reads.ts';
import { exportStream } from './export-stream.ts';

/** Everything that is kept of a user and that the reader is shown, as lines of JSON. */
export const userExport = defineRoute({
  method: 'GET',
  path: '/users/:user_id/export',
  operationId: 'exportUser',
  summary: 'Everything that is kept of a user, but for texts that are hidden from the reader',
  description: [
    'Lines of JSON (NDJSON), each with a `type`: first `export`, then the `user`, each `connection` and each `run`, both with',
    'their types of data, oldest activity first, each `event` of the log, oldest first, and last `end`. Fields are those of the',
    'GraphQL types in snake case. The first line names in `hidden` which of `message`, `error` and `metadata` the export does not',
    'show: none to API keys and developers, and to a user token what the setting `USER_VISIBLE` does not name. Nor is a user token',
    'shown the ids of other users. The last line says whether the export is `complete`, with `counts` of the lines before it:',
    'without one, or with `complete: false` and the `code` and `reason` of an error, the export was cut off. Events are those',
    'up to the head of the log as the first line tells it. A run that changes meanwhile may stand there twice; the later line',
    'counts. What is recorded, or removed by retention, during an export may be missing. It is as quick as the account may',
    'ask, and leaves the account half of what it may ask at once: where others use that up for half a minute, it ends with',
    '`RATE_LIMITED`; with `NOT_FOUND` where the user is deleted, even if one is made anew under the same id. That it was begun',
    'stands in the audit log, unless it was with the token of the user.',
  ].join(' '),
  parameters: () => ({ user_id: userInPath }),
  answer: {
    status: 200,
    description: 'One object a line.',
    type: 'application/x-ndjson',
    schema: { type: 'object', properties: { type: { enum: ['export', 'user', 'connection', 'run', 'event', 'end'] } } },
  },
  errors: ['NOT_FOUND'],
  open(tools) {
    const read = prepareExportReads(tools);
    const longestWaitMs = tools.limits.connectionIdleMs / 2;
    return async ({ user_id: userId }, visit, request, fails) => {
      const { user } = await read.user(unpaid(visit), { userId });
      if (!user) throw new AppError('NOT_FOUND', 'There is no such user, or none that may be seen');
      const headers = {
        'content-type': 'application/x-ndjson',
        'content-disposition': `attachment; filename="${userId}.ndjson"`,
        'cache-control': 'no-store',
      };
      if (visit.isOfHead) return new Response(null, { headers });
      visit.spending.stream();
      const life = tools.openExport(visit, request.raw.signal);
      await tools.noteExport(visit, userId).catch((error: unknown) => {
        life.end();
        throw error;
      });
      const lines = exportLines(read, visit, user, {
        hidden: tools.hiddenFrom(visit),
        signal: life.signal,
        longestWaitMs,
      });
      return new Response(exportStream(lines, life, fails), { headers });
    };
  },
});
