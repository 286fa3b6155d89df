import { HTTPException } from 'hono/http-exception';
import { scopeWords } from '../../log/words.ts';
import { json } from '../answer.ts';
import { prepareAwaited } from './awaited-user.ts';
import { arrayOf, schemaNamed } from './json-schema.ts';
import { listAnswer } from './list-answer.ts';
import { dateTime, exactText, exactWord, integer, textInPath, userInPath } from './parameters.ts';
import { defineRoute } from './route.ts';
import { type Selected, selectionOf } from './wire-fields.ts';
import { wireDataTypeFields, wireHistoryFields, writeHistory, writeHistoryWithTypes } from './wire-history.ts';

const run = selectionOf(wireHistoryFields);

const historyOfUser = `query SyncHistory($userId: UUID!, $limit: Int!, $filter: SyncHistoryFilter) {
  user(id: $userId) { syncHistory(first: $limit, filter: $filter) { edges { node { ${run} } } } }
}`;

const oneRun = `query SyncRunOfHistory($runId: ID!) {
  syncRun(runId: $runId) { ${run} dataTypes { ${selectionOf(wireDataTypeFields)} } }
}`;

interface HistoryOfUser {
  readonly user: { readonly syncHistory: { readonly edges: readonly { readonly node: Selected }[] } } | null;
}

interface OneRun {
  readonly syncRun: (Selected & { readonly dataTypes: readonly Selected[] }) | null;
}

/** A user's runs by when they opened: Open Wearables' `/users/{user_id}/sync/history`. */
export const userHistory = defineRoute({
  method: 'GET',
  path: '/users/:user_id/sync/history',
  operationId: 'syncHistoryOfUser',
  summary: "A user's runs by when they opened",
  description: 'Newest first. All runs, live ones too.',
  parameters: ({ pageSize, defaultHistory }) => ({
    user_id: userInPath,
    limit: integer({ min: 1, max: pageSize, fallback: defaultHistory, description: 'How many runs at most.' }),
    scope: exactWord(scopeWords, 'Only runs of this scope.'),
    since: dateTime('Only runs that opened then or later.'),
    provider: exactText('Only runs of this provider. Exact; an empty one matches nothing.'),
    covered_from: dateTime('Only runs whose window, or what they stored of a type of data, ends after this.'),
    covered_to: dateTime('Only runs whose window, or what they stored of a type of data, begins before this.'),
  }),
  answer: {
    status: 200,
    description: 'Runs, those that opened last first.',
    type: 'application/json',
    schema: arrayOf(schemaNamed('SyncRunHistory')),
  },
  errors: ['NOT_FOUND'],
  open({ prepare, limits }) {
    const query = prepare<HistoryOfUser>(historyOfUser);
    const requireAwaited = prepareAwaited({ prepare });
    return async ({ user_id: userId, limit, scope, since, provider, covered_from, covered_to }, visit) => {
      const filter = {
        ...{ scopes: scope && [scope], since, providers: provider === undefined ? undefined : [provider] },
        ...{ coveredFrom: covered_from, coveredTo: covered_to },
      };
      const { user } = await query(visit, { userId, limit, filter });
      if (!user) await requireAwaited(visit, userId);
      return listAnswer(user?.syncHistory.edges.map(({ node }) => writeHistory(node)) ?? [], limits);
    };
  },
});

/** One run with what it did with each type of data: Open Wearables' `/sync/history/{run_key}`. */
export const runHistory = defineRoute({
  method: 'GET',
  path: '/sync/history/:run_key',
  operationId: 'syncHistoryOfRun',
  summary: 'One run, with what it did with each type of data',
  description: 'Two users may have runs of one id: of these it is the one that opened last.',
  parameters: () => ({ run_key: textInPath('The id of the run.') }),
  answer: {
    status: 200,
    description: 'The run.',
    type: 'application/json',
    schema: schemaNamed('SyncRunHistoryWithTypes'),
  },
  errors: ['NOT_FOUND'],
  open({ prepare }) {
    const query = prepare<OneRun>(oneRun);
    return async ({ run_key: runId }, visit) => {
      const { syncRun } = await query(visit, { runId });
      // A run opens with its first start or end.
      if (!syncRun || syncRun.started_at === null) throw new HTTPException(404, { message: 'Sync run not found' });
      return json(200, writeHistoryWithTypes(syncRun, syncRun.dataTypes));
    };
  },
});
