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

const runsOfAll = (place: string) => `query SyncRuns($limit: Int!, $cursor: String, $filter: SyncRunFilter) {
  syncRuns(${place}, filter: $filter) {
    edges { node { ${run} } }
    pageInfo { hasPreviousPage hasNextPage startCursor endCursor }
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
    readonly hasPreviousPage: boolean;
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
    const older = prepare<{ readonly syncRuns: Page }>(runsOfAll('first: $limit, after: $cursor'));
    const newer = prepare<{ readonly syncRuns: Page }>(runsOfAll('last: $limit, before: $cursor'));
    return async ({ limit, user_id: userId, provider, status, source, ...others }, visit) => {
      const providers = provider === undefined ? null : [provider];
      const filter = { userId, providers, statuses: status, sources: source, ...toListFilter(others) };
      const reads: Reads = {
        older: async (size, cursor) => (await older(visit, { cursor, limit: size, filter })).syncRuns,
        newer: async (size, cursor) => (await newer(visit, { cursor, limit: size, filter })).syncRuns,
      };
      const most = toldCost(0, visit.viewer, limits).limit;
      return listAnswer(await readRuns(reads, { limit, most }, limits), limits);
    };
  },
});

interface Reads {
  /** The next page towards the oldest run; without a cursor the newest page. */
  older(size: number, cursor?: string): Promise<Page>;
  /** The next page towards the newest run: of those before the cursor the last. */
  newer(size: number, cursor: string): Promise<Page>;
}

/** A run as it is written. */
interface Written {
  readonly key: string;
  readonly text: string;
}

/**
 * Reads a list in pages. A run that reports meanwhile moves to the front, past the pages that are still to come, or in among
 * the runs of the first page, if it was recorded with them and committed later. So in the end the list is read again from the end
 * of its first page towards the newest run: one that moves once more is met again, and when nothing is before a page, no run
 * is missing.
 * @param bounds `limit` is what is asked for, and `most` what may be found: each run costs an item
 * @throws AppError LIMIT_EXCEEDED, as soon as more is found than may be listed, or when runs move to the front for as many
 * pages as the longest list has
 */
async function readRuns(
  read: Reads,
  { limit, most }: { readonly limit: number; readonly most: number },
  limits: Limits,
): Promise<readonly string[]> {
  const nextSize = (found: number) => Math.min(limit - found, most - found, limits.pageSize);
  const first = await read.older(nextSize(0));
  let runs = writtenOf(first);
  let page = first;
  while (page.pageInfo.hasNextPage && page.pageInfo.endCursor !== null && runs.length < limit) {
    requireAnswerable(textsOf(runs), limits);
    if (runs.length >= most) throw tooMany(most);
    page = await read.older(nextSize(runs.length), page.pageInfo.endCursor);
    runs.push(...writtenOf(page));
  }
  let front = page === first ? null : first.pageInfo.endCursor;
  for (let pages = Math.ceil(limits.listedRuns / limits.pageSize); front !== null; pages -= 1) {
    if (pages === 0) throw new AppError('LIMIT_EXCEEDED', 'Runs change faster than so many are listed: lower `limit`');
    const { pageInfo, ...before } = await read.newer(limits.pageSize, front);
    const moved = writtenOf(before);
    const movedKeys = new Set(moved.map(({ key }) => key));
    runs = [...moved, ...runs.filter(({ key }) => !movedKeys.has(key))].slice(0, limit);
    requireAnswerable(textsOf(runs), limits);
    if (runs.length > most) throw tooMany(most);
    front = pageInfo.hasPreviousPage ? pageInfo.startCursor : null;
  }
  return textsOf(runs);
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
