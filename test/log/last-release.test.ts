import { isDeepStrictEqual } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { judgeDue } from '../../src/connections/keep-judged.ts';
import { isAnyRunToFold } from '../../src/log/sql/runs-to-fold.ts';
import {
  type Ask,
  answersOfLastRelease,
  askOfLastRelease,
  recordForLastRelease,
  restoreLastRelease,
} from '../support/last-release.ts';
import { startServer, type TestServer } from '../support/server.ts';

const healths = ['FAILING', 'NO_PROGRESS', 'SYNCING', 'DELAYED', 'HEALTHY', 'UNKNOWN'];

/** An hour after the last release has recorded its last event. */
const now = recordedLast() + 3_600_000;

function recordedLast(): number {
  const times = answersOfLastRelease().map((body) => JSON.parse(body).data.user.recentSyncEvents[0].recordedAt);
  return Math.max(...times.map((time) => Date.parse(time)));
}

const askOf =
  ({ url, admin }: TestServer): Ask =>
  async (query, variables = {}) => {
    const body = JSON.stringify({ query, variables });
    const headers = { 'content-type': 'application/json', ...admin };
    return (await fetch(`${url}/graphql`, { method: 'POST', headers, body })).text();
  };

/** What a database makes of its events, but for what comes of when they were recorded. */
async function readMade({ app }: TestServer) {
  const { reader } = app.services.database;
  const byRun = [{ userId: 'asc' as const }, { runId: 'asc' as const }];
  return {
    runs: await reader.syncRun.findMany({ orderBy: byRun, omit: { change: true, recordedAt: true } }),
    batches: await reader.syncRunBatch.findMany({ orderBy: [...byRun, { batchId: 'asc' }] }),
    dataTypes: await reader.syncRunDataType.findMany({ orderBy: [...byRun, { dataType: 'asc' }] }),
  };
}

/** What an earlier release has kept of a connection, too. */
const keptOfLinks = {
  ...{
    user: { select: { firstName: true } },
    provider: true,
    firstAttemptAt: true,
    lastAttemptAt: true,
    lastSuccessAt: true,
    lastDataAt: true,
  },
  ...{ consecutiveFailures: true, emptySuccesses: true, source: true, lastRunId: true },
} as const;

/** The connections, judged, and what their lists by health say of each. */
async function readLinks({ app, graphql }: TestServer) {
  const { database, log } = app.services;
  while (await judgeDue({ database, wakeUps: log.wakeUps, clock: () => now }));
  const rows = await database.reader.providerLink.findMany({
    select: keptOfLinks,
    orderBy: [{ userId: 'asc' }, { provider: 'asc' }],
  });
  const lists = healths.map((health) => `${health}: connections(filter: { health: ${health} }, first: 20) { ...all }`);
  const { data, errors } = await graphql(
    `{ ${lists.join(' ')} } fragment all on ProviderLinkConnection {
      edges { node { health state provider user { firstName } } }
    }`,
  );
  expect(errors).toEqual([]);
  const listed = healths.flatMap((health) =>
    (data[health].edges as { node: Listed }[]).map(({ node }) => {
      expect(node.health).toBe(health);
      return node;
    }),
  );
  expect(listed).toHaveLength(rows.length);
  return new Map(
    rows.map(({ user: { firstName }, ...row }) => {
      const link = listed.find(({ provider, user }) => provider === row.provider && user.firstName === firstName);
      return [`${firstName} ${row.provider}`, { ...row, health: link?.health, state: link?.state }];
    }),
  );
}

interface Listed {
  readonly health: string;
  readonly state: string;
  readonly provider: string;
  readonly user: { readonly firstName: string };
}

test('a database of the last release comes up with its runs as if their events were recorded by this one', async () => {
  const options = { clock: () => now, limits: { judgingPauseMs: 3_600_000 } };
  const old = await startServer({ ...options, database: await restoreLastRelease() });
  onTestFinished(() => old.close());
  await expect.poll(() => isAnyRunToFold(old.app.services.database.reader)).toBe(false);
  const anew = await startServer(options);
  onTestFinished(() => anew.close());
  await recordForLastRelease(askOf(anew));

  const [made, expected] = [await readMade(old), await readMade(anew)];
  expect(made).toEqual(expected);
  const runOf = (runId: string) => made.runs.find((run) => run.runId === runId);
  expect(made.runs).toHaveLength(44);
  expect(runOf('export_0')).toMatchObject({
    ...{ stage: 'failed', attempts: 31, failedAttempts: 1, batchCount: 31, failedBatchCount: 1, eventCount: 62 },
    ...{ finished: true, reopened: true, itemsInserted: 1635, itemsUpdated: 300, foldedSequence: 62 },
  });
  expect(runOf('export_100')).toMatchObject({ failedAttempts: 1, batchCount: 7, failedBatchCount: 0 });
  expect(made.batches.filter(({ failed }) => failed)).toMatchObject([{ runId: 'export_0', batchId: 'batch_0_30' }]);

  // A page of a log never changes: neither do sequences and cursors, nor what was found to be late.
  const answers = await askOfLastRelease(askOf(old));
  expect(answers).toEqual(answersOfLastRelease());
  expect(answers).not.toEqual(await askOfLastRelease(askOf(anew)));

  // Connections are as the last release knew them, which counted no run again that went on after its end, and knew of the
  // state no more than the last success. All others are as today's rules have them, and their lists say so.
  const [links, others] = [await readLinks(old), await readLinks(anew)];
  const unlike = [...others].filter(([name, link]) => !isDeepStrictEqual(link, links.get(name)));
  expect(unlike.map(([name]) => name)).toEqual(['Ada apple', 'Ada garmin', 'Ben apple', 'Ben oura', 'Cleo fitbit']);
  // What is known of types of data of connections begins with what this release records.
  expect(await old.app.services.database.reader.providerDataType.count()).toBe(0);
});
