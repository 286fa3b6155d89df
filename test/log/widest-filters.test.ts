import { expect, onTestFinished, test } from 'vitest';
import { defaultLimits } from '../../src/limits.ts';
import { startServer } from '../support/server.ts';

test('a page of users may ask the widest filters of each of them', async () => {
  const server = await startServer();
  onTestFinished(() => server.close());
  const ids = await Promise.all(Array.from({ length: defaultLimits.usersPageSize }, () => server.user()));
  await server.record(...ids.map((userId) => ({ userId, provider: 'p0' })));
  const providers = Array.from({ length: defaultLimits.filterEntries }, (_, index) => `p${index}`);
  const sources = ['PULL', 'WEBHOOK', 'SDK', 'BACKFILL', 'XML_IMPORT', 'LINKED_ACCOUNT'];
  const stages = ['QUEUED', 'STARTED', 'FETCHING', 'PROCESSING', 'SAVING', 'COMPLETED', 'FAILED', 'CANCELLED'];
  const statuses = ['IN_PROGRESS', 'SUCCESS', 'PARTIAL', 'FAILED', 'CANCELLED', 'SKIPPED', 'UNFINISHED', 'STALE'];
  const health = ['QUIET', 'ACTIVE', 'ENDED'];
  const nested = {
    'syncRuns(first: 1, filter: $runs)': { runs: { providers, sources, statuses, health } },
    'recentSyncEvents(limit: 1, filter: $events)': { events: { providers, sources, stages, statuses } },
    'syncEvents(first: 1, filter: $events)': { events: { providers, sources, stages, statuses } },
  };
  for (const [field, variables] of Object.entries(nested)) {
    const selection = field.startsWith('recent') ? 'id' : 'edges { node { runId } }';
    const [name, type] = field.startsWith('syncRuns') ? ['runs', 'SyncRunFilter'] : ['events', 'SyncEventFilter'];
    const { data, errors } = await server.graphql(
      `query ($${name}: ${type}) { users(first: 100) { edges { node { found: ${field} { ${selection} } } } } }`,
      variables,
    );
    expect(errors, field).toEqual([]);
    for (const { node } of data.users.edges) expect(node.found.edges ?? node.found).toHaveLength(1);
  }
});
