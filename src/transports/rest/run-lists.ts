import { AppError } from '../../errors.ts';
import type { Limits } from '../../limits.ts';
import { sourceWords, statusWords } from '../../log/words.ts';
import { toldCost } from '../../operations/allowance.ts';
import { prepareAwaited } from './awaited-user.ts';
import { arrayOf, schemaNamed } from './json-schema.ts';
import { listAnswer, requireAnswerable } from './list-answer.ts';
import { listFilterParameters, toListFilter } from './list-filter.ts';
import { integer, text, userInPath, userInQuery, wordFilter } from './parameters.ts';
import { defineRoute } from './route.ts';
import { type Selected, selectionOf, writeObject } from './wire-fields.ts';
import { wireRunFields } from './wire-run.ts';

const run = selectionOf(wireRunFields);

const runsOfUser = `query SyncRunsOfUser($userId: UUID!, $limit: Int!, $filter: SyncRunFilter) {
  user(id: $userId) { syncRuns(first: $limit, filter: $filter) { edges { node { ${run} } } } }
}`;

const runsOfAll = `query SyncRuns($limit: Int!, $after: String, $before: String, $filter: SyncRunFilter) {
  syncRuns(first: $limit, after: $after, before: $before, filter: $filter) {
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
  open({ prepare, limits }) {
    const query = prepare<RunsOfUser>(runsOfUser);
    const requireAwaited = prepareAwaited({ prepare });
    return async ({ user_id: userId, limit, ...others }, visit) => {
      const { user } = await query(visit, { userId, limit, filter: toListFilter(others) });
      if (!user) await requireAwaited(visit, userId);
      return listAnswer(user?.syncRuns.edges.map(({ node }) => writeObject(wireRunFields, node)) ?? [], limits);
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
  parameters: ({ listedRuns, defaultListedRuns, operationItems }) => ({
    limit: integer({
      ...{ min: 1, max: listedRuns, fallback: defaultListedRuns },
      description: `How many runs at most. Where there are more than ${operationItems.user}, who has a token of a user has to name fewer.`,
    }),
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
      const read = async (place: object, size: number) =>
        (await query(visit, { ...place, limit: size, filter })).syncRuns;
      const most = toldCost(0, visit.viewer, limits).limit;
      return listAnswer(await readRuns(read, { limit, most }, limits), limits);
    };
  },
});

type ReadPage = (place: { readonly after?: string; readonly before?: string }, size: number) => Promise<Page>;

/** A run as it is written. */
interface Written {
  readonly key: string;
  readonly text: string;
}

/**
 * Reads a list in pages. A run that reports meanwhile moves to the front, past the pages that are still to come, so
 * in the end the front is read again.
 * @param bounds `limit` is what is asked for, and `most` what may be found: each run costs an item
 * @throws AppError LIMIT_EXCEEDED, as soon as more is found than may be listed
 */
async function readRuns(
  read: ReadPage,
  { limit, most }: { readonly limit: number; readonly most: number },
  limits: Limits,
): Promise<readonly string[]> {
  const nextSize = (found: number) => Math.min(limit - found, most - found, limits.pageSize);
  const first = await read({}, nextSize(0));
  const runs = writtenOf(first);
  let page = first;
  while (page.pageInfo.hasNextPage && page.pageInfo.endCursor !== null && runs.length < limit) {
    requireAnswerable(textsOf(runs), limits);
    if (runs.length >= most) throw tooMany(most);
    page = await read({ after: page.pageInfo.endCursor }, nextSize(runs.length));
    runs.push(...writtenOf(page));
  }
  const { startCursor: front } = first.pageInfo;
  if (front === null || page === first) return textsOf(runs);
  const moved = writtenOf(await read({ before: front }, limits.pageSize));
  const movedKeys = new Set(moved.map(({ key }) => key));
  const listed = [...moved, ...runs.filter(({ key }) => !movedKeys.has(key))].slice(0, limit);
  if (listed.length > most) throw tooMany(most);
  return textsOf(listed);
}

function tooMany(most: number): AppError {
  const message = `A request may list at most ${most} runs with this credential, and there are more: lower \`limit\``;
  return new AppError('LIMIT_EXCEEDED', message);
}

/** They are written at once: the text of a page is all that is held of it. */
function writtenOf({ edges }: Edges): Written[] {
  return edges.map(({ node }) => ({
    key: `${node.user_id} ${node.run_id}`,
    text: writeObject(wireRunFields, node),
  }));
}

const textsOf = (runs: readonly Written[]) => runs.map(({ text }) => text);
