import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { startPostgres } from '../../prisma/scratch-postgres.ts';
import { startServer } from '../support/server.ts';

test('words and names mean the same in a database whose language makes another letter of I', async () => {
  const postgres = await startPostgres();
  onTestFinished(() => postgres.stop());
  const client = new pg.Client(postgres.url);
  await client.connect();
  await client.query(
    "CREATE DATABASE turkish TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR' LOCALE 'C.UTF-8'",
  );
  await client.end();
  const url = Object.assign(new URL(postgres.url), { pathname: '/turkish' }).href;
  const server = await startServer({ database: { url, drop: async () => {} } });
  onTestFinished(() => server.close());

  const userId = await server.user({ firstName: 'IŞIL', lastName: 'Irmak', email: 'INFO@example.org' });
  await server.app.services.log.record([
    {
      id: randomUUID(),
      userId,
      runId: 'r',
      provider: 'oura',
      source: 'XML_IMPORT',
      stage: 'FETCHING',
      status: 'IN_PROGRESS',
      message: 'FETCHING INFO ışık',
    },
  ]);
  const { data, errors } = await server.graphql(
    `query ($id: UUID!) {
      user(id: $id) {
        recentSyncEvents(filter: { sources: [XML_IMPORT], stages: [FETCHING], statuses: [IN_PROGRESS] }) { statusRaw }
        syncRuns(filter: { sources: [XML_IMPORT], statuses: [IN_PROGRESS], health: [ACTIVE] }) { edges { node { runId } } }
      }
      syncRuns(filter: { statuses: [IN_PROGRESS] }) { edges { node { runId } } }
      active: syncRuns(filter: { health: [ACTIVE] }) { edges { node { runId } } }
      sought: syncRuns(filter: { search: "fetching info IŞIK" }) { edges { node { runId } } }
      a: users(search: "ışıl") { edges { node { id } } }
      b: users(search: "info@") { edges { node { id } } }
    }`,
    { id: userId },
  );
  expect(errors).toEqual([]);
  const runs = { edges: [{ node: { runId: 'r' } }] };
  const users = { edges: [{ node: { id: userId } }] };
  expect(data).toEqual({
    user: { recentSyncEvents: [{ statusRaw: 'IN_PROGRESS' }], syncRuns: runs },
    syncRuns: runs,
    active: runs,
    sought: { edges: [] }, // other letters than A to Z are sought in one case only
    a: users,
    b: users,
  });
});
