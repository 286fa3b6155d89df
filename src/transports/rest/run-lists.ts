import { sourceWords, statusWords } from '../../log/words.ts';
import { json } from '../answer.ts';
import { prepareAwaited } from './awaited-user.ts';
import { arrayOf, schemaNamed } from './json-schema.ts';
import { listFilterParameters, toListFilter } from './list-filter.ts';
import { integer, text, userInPath, userInQuery, wordFilter } from './parameters.ts';
import { defineRoute } from './route.ts';
import { type Selected, selectionOf, writeObject } from './wire-fields.ts';
import { wireRunFields } from './wire-run.ts';

const run = selectionOf(wireRunFields);

const runsOfUser = `query SyncRunsOfUser($userId: UUID!, $limit: Int!, $filter: SyncRunFilter) {
  user(id: $userId) { syncRuns(first: $limit, filter: $filter) { edges { node { ${run} } } } }
}`;

const runsOfAll = `query SyncRuns($first: Int!, $after: String, $before: String, $filter: SyncRunFilter) {
  syncRuns(first: $first, after: $after, before: $before, filter: $filter) {
    edges { node { ${run} } }
    pageInfo { hasNextPage startCursor endCursor }
  }
}`;

interface Edges {
  readonly edges: readonly { readonly node: Selected }[];
}

interface RunsOfUser {
  readonly user: { readonly syncRuns: Edges } | null;
}

interface Page extends Edges {
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
}

const summaries = {
  status: 200,
  description: 'Summaries, newest activity first.',
  type: 'application/json',
  schema: arrayOf(schemaNamed('SyncRun')),
} as const;

/** What a user's syncs came to: Open Wearables' `/users/{user_id}/sync/runs`. */
export const userRuns = defineRoute({
  method: 'GET',
  path: '/users/:user_id/sync/runs',
  operationId: 'syncRunsOfUser',
  summary: "A user's runs",
  parameters: ({ pageSize, defaultRunsOfUser }) => ({
    user_id: userInPath,
    limit: integer({ min: 1, max: pageSize, fallback: defaultRunsOfUser, description: 'How many runs at most.' }),
    ...listFilterParameters('runs'),
  }),
  answer: summaries,
  errors: ['NOT_FOUND'],
  open({ prepare }) {
    const query = prepare<RunsOfUser>(runsOfUser);
    const requireAwaited = prepareAwaited({ prepare });
    return async ({ user_id: userId, limit, ...others }, visit) => {
      const { user } = await query(visit, { userId, limit, filter: toListFilter(others) });
      if (!user) await requireAwaited(visit, userId);
      return answer(user?.syncRuns.edges.map(({ node }) => node) ?? []);
    };
  },
});

/** What the syncs of all users came to: Open Wearables' `/sync/runs`. */
export const allRuns = defineRoute({
  method: 'GET',
  path: '/sync/runs',
  operationId: 'syncRuns',
  summary: 'The runs of all users that you may see',
  description: 'Filters are exact; a word that nobody knows matches nothing.',
  parameters: ({ listedRuns, defaultListedRuns }) => ({
    limit: integer({ min: 1, max: listedRuns, fallback: defaultListedRuns, description: 'How many runs at most.' }),
    user_id: userInQuery,
    provider: text('query', 'Only runs of this provider; empty for all.'),
    status: wordFilter(statusWords, 'matches nothing', 'Only runs with this status; empty for all.'),
    source: wordFilter(sourceWords, 'matches nothing', 'Only runs of this source; empty for all.'),
    ...listFilterParameters('runs'),
  }),
  answer: summaries,
  open({ prepare, limits }) {
    const query = prepare<{ readonly syncRuns: Page }>(runsOfAll);
    return async ({ limit, user_id: userId, provider, status, source, ...others }, visit) => {
      const providers = provider === undefined ? null : [provider];
      const filter = { userId, providers, statuses: status, sources: source, ...toListFilter(others) };
      const read = async (place: object, first: number) => (await query(visit, { ...place, first, filter })).syncRuns;
      return answer(await readRuns(read, limit, limits.pageSize));
    };
  },
});

type ReadPage = (place: { readonly after?: string; readonly before?: string }, first: number) => Promise<Page>;

/**
 * Reads a list in pages. A run that reports meanwhile moves to the front, past the pages that are still to come, so
 * in the end the front is read again.
 */
async function readRuns(read: ReadPage, limit: number, pageSize: number): Promise<readonly Selected[]> {
  let page = await read({}, Math.min(limit, pageSize));
  const front = page.pageInfo.startCursor;
  const runs = nodesOf(page);
  while (page.pageInfo.hasNextPage && page.pageInfo.endCursor !== null && runs.length < limit) {
    page = await read({ after: page.pageInfo.endCursor }, Math.min(limit - runs.length, pageSize));
    runs.push(...nodesOf(page));
  }
  if (front === null || limit <= pageSize) return runs;
  const moved = nodesOf(await read({ before: front }, pageSize));
  const keyOf = ({ user_id, run_id }: Selected) => `${user_id} ${run_id}`;
  const movedKeys = new Set(moved.map(keyOf));
  return [...moved, ...runs.filter((each) => !movedKeys.has(keyOf(each)))].slice(0, limit);
}

function nodesOf({ edges }: Edges): Selected[] {
  return edges.map(({ node }) => node);
}

function answer(runs: readonly Selected[]): Response {
  return json(200, `[${runs.map((each) => writeObject(wireRunFields, each)).join(',')}]`);
}
