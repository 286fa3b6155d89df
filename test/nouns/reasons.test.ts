import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { second } from '../support/recording.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const failed = { stage: 'FAILED', status: 'FAILED' };
const reason = 'reason { class retryable actor text event { sequence } }';

async function reasonsOfEvents(userId: string) {
  const { data, errors } = await server.graphql(
    `query ($id: UUID!) { user(id: $id) { syncEvents(first: 100) { edges { node { ${reason} } } } } }`,
    { id: userId },
  );
  expect(errors).toEqual([]);
  return data.user.syncEvents.edges.map(({ node }: { node: { reason: unknown } }) => node.reason);
}

describe('the reason of an event', () => {
  test('is what the rules say of its status, its error and its metadata, with the event itself', async () => {
    const userId = await server.user();
    await server.record(
      { userId, ...failed, error: "Client error '401 Unauthorized' for url 'https://api.example.org'" },
      { userId, ...failed, error: 'no', metadata: { error_code: 'provider_unavailable' } },
      { userId, ...failed },
    );
    expect(await reasonsOfEvents(userId)).toEqual([
      {
        ...{ class: 'RECONNECT_NEEDED', retryable: false, actor: 'USER', event: { sequence: 1 } },
        text: "Client error '401 Unauthorized' for url 'https://api.example.org'",
      },
      { class: 'PROVIDER_DOWN', retryable: true, actor: 'WAIT', text: 'no', event: { sequence: 2 } },
      { class: 'OTHER', retryable: false, actor: 'OPERATOR', text: null, event: { sequence: 3 } },
    ]);
  });

  test('is null where nothing went wrong', async () => {
    const userId = await server.user();
    await server.record(
      { userId, stage: 'STARTED', status: 'IN_PROGRESS' },
      { userId, stage: 'COMPLETED', status: 'SUCCESS', message: 'after a timeout' },
    );
    expect(await reasonsOfEvents(userId)).toEqual([null, null]);
  });
});

describe('a type of data', () => {
  test('says in one word what became of it, and why it failed', async () => {
    const userId = await server.user();
    const params = {
      workouts: { success: false, error: 'no', error_code: 'required_scopes_not_granted' },
      data_247: { success: true, heart_rate: 3, sleep: 0 },
    };
    const denied = {
      runId: 'run_2',
      metadata: { params: { data_247: { success: false, error: '503 Service Unavailable' } } },
    };
    const done = { userId, stage: 'COMPLETED', timestamp: second(1) };
    const upload = { runId: 'run_3', scope: 'HISTORICAL', metadata: { batch_id: 'b', types: ['steps'] } };
    await server.record(
      { ...done, status: 'PARTIAL', metadata: { params } },
      { ...done, status: 'PARTIAL', ...denied },
      { ...done, status: 'SUCCESS', ...upload },
    );
    const types = `dataTypes { dataType state ${reason} }`;
    const { data, errors } = await server.graphql(
      `query ($id: UUID!) { user(id: $id) {
        run_1: syncRun(runId: "run_1") { ${types} } run_2: syncRun(runId: "run_2") { ${types} } run_3: syncRun(runId: "run_3") { ${types} }
      } }`,
      { id: userId },
    );
    expect(errors).toEqual([]);
    const scopeDenied = { class: 'SCOPE_DENIED', retryable: false, actor: 'USER', text: 'no', event: null };
    const down = {
      class: 'PROVIDER_DOWN',
      retryable: true,
      actor: 'WAIT',
      text: '503 Service Unavailable',
      event: null,
    };
    expect(data.user.run_1.dataTypes).toEqual([
      { dataType: 'heart_rate', state: 'COMPLETE', reason: null },
      { dataType: 'sleep', state: 'COMPLETE', reason: null },
      { dataType: 'workouts', state: 'NOT_GRANTED', reason: scopeDenied },
    ]);
    expect(data.user.run_2.dataTypes).toEqual([{ dataType: 'data_247', state: 'FAILED', reason: down }]);
    expect(data.user.run_3.dataTypes).toEqual([{ dataType: 'steps', state: 'SYNCING', reason: null }]);
  });
});
