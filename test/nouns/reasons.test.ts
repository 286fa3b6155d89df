import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StatementReport } from '../../src/db/watch-statements.ts';
import { refusals, second, tryRecord } from '../support/recording.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let statements: StatementReport[] = [];

beforeAll(async () => {
  server = await startServer({ onStatement: (report) => statements.push(report) });
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

describe('a reason that a producer states', () => {
  test('counts more than what the rules find; what it leaves open follows from its class, and its text from the error', async () => {
    const userId = await server.user();
    const told = { ...failed, error: '401 Unauthorized' };
    const stated = { class: 'INTERNAL', retryable: true, actor: 'WAIT', text: 'a queue was full' };
    await server.record(
      { userId, ...told, reason: stated },
      { userId, ...told, reason: { class: 'RATE_LIMITED' } },
      { userId, ...told, reason: { class: 'TIMEOUT', retryable: false, text: '' } },
      { userId, stage: 'CANCELLED', status: 'CANCELLED', reason: { class: 'SCOPE_DENIED' } },
    );
    expect(await reasonsOfEvents(userId)).toEqual([
      { ...stated, event: { sequence: 1 } },
      { class: 'RATE_LIMITED', retryable: true, actor: 'WAIT', text: told.error, event: { sequence: 2 } },
      { class: 'TIMEOUT', retryable: false, actor: 'WAIT', text: told.error, event: { sequence: 3 } },
      { class: 'SCOPE_DENIED', retryable: false, actor: 'USER', text: null, event: { sequence: 4 } },
    ]);
  });

  test('is part of what an event is: a retry states the same, and null is the same as nothing', async () => {
    const draft = { id: crypto.randomUUID(), userId: await server.user(), ...failed };
    await server.record({ ...draft, reason: { class: 'TIMEOUT', retryable: false } });
    const again = { class: 'TIMEOUT', retryable: false, actor: null, text: null };
    expect(await server.record({ ...draft, reason: again })).toMatchObject([{ duplicate: true }]);
    for (const other of [null, { class: 'TIMEOUT' }, { ...again, text: 'x' }])
      expect(refusals(await tryRecord(server, [{ ...draft, reason: other }]))).toEqual(['EVENT_ID_CONFLICT']);
  });

  test.each([
    ['a text that is too long', { class: 'OTHER', text: 'x'.repeat(16_385) }],
    ['a text that no database holds', { class: 'OTHER', text: 'a\0b' }],
    ['a class that nobody knows', { class: 'MOON' }],
    ['no class', { retryable: true }],
  ])('is refused for %s', async (_, reason) => {
    const answer = await tryRecord(server, [{ userId: await server.user(), reason }]);
    expect(refusals(answer)).toEqual(['BAD_USER_INPUT']);
    expect(answer.errors[0]?.extensions.problems).toMatchObject([{ index: 0, field: 'reason' }]);
  });
});

describe('the reason of a run', () => {
  const start = { stage: 'STARTED', status: 'IN_PROGRESS' };
  const good = { stage: 'COMPLETED', status: 'SUCCESS' };
  const bad = { ...failed, error: 'HTTP 429' };
  const inBatch = (batch_id: string) => ({ metadata: { batch_id } });

  async function reasonOfRun(userId: string) {
    const { data, errors } = await server.graphql(
      `query ($id: UUID!) { user(id: $id) { syncRun(runId: "run_1") { ${reason} } } }`,
      { id: userId },
    );
    expect(errors).toEqual([]);
    return data.user.syncRun.reason;
  }

  /** Which event the reason of a run of these events is that of, seconds apart; null for no reason. */
  async function reasonAfter(...events: object[]) {
    const userId = await server.user();
    for (const [at, event] of events.entries()) await server.record({ userId, timestamp: second(at), ...event });
    return (await reasonOfRun(userId))?.event.sequence ?? null;
  }

  test('is that of its newest failed end, a stated one too', async () => {
    const userId = await server.user();
    await server.record({ userId, ...start }, { userId, ...bad });
    expect(await reasonOfRun(userId)).toEqual({
      ...{ class: 'RATE_LIMITED', retryable: true, actor: 'WAIT', text: 'HTTP 429', event: { sequence: 2 } },
    });
    await server.record({ userId, ...bad, reason: { class: 'TIMEOUT' } });
    expect(await reasonOfRun(userId)).toMatchObject({ class: 'TIMEOUT', event: { sequence: 3 } });
  });

  test('is null while nothing went wrong, and once the run has ended well', async () => {
    expect(await reasonAfter(start)).toBeNull();
    expect(await reasonAfter(start, good)).toBeNull();
    expect(await reasonAfter(start, good, start)).toBeNull();
    expect(await reasonAfter(start, bad, good)).toBeNull();
    expect(await reasonAfter(start, bad, good, start)).toBeNull();
    expect(await reasonAfter(start, { stage: 'FETCHING', error: 'HTTP 429' })).toBeNull();
  });

  test('stays while the run is tried again, whatever is reported between', async () => {
    expect(await reasonAfter(start, bad, start, { stage: 'SAVING' })).toBe(2);
    expect(await reasonAfter(start, { ...good, status: 'PARTIAL' }, start)).toBe(2);
  });

  test('stays after a later success while a batch is left that has failed', async () => {
    const [failedA, goodA, goodB] = [
      { ...bad, ...inBatch('a') },
      { ...good, ...inBatch('a') },
      { ...good, ...inBatch('b') },
    ];
    expect(await reasonAfter(failedA, goodB)).toBe(1);
    expect(await reasonAfter(failedA, goodB, start, good)).toBe(1);
    expect(await reasonAfter(failedA, goodB, goodA)).toBeNull();
  });

  test('is not changed by an end that comes late', async () => {
    expect(await reasonAfter(start, good, { ...bad, timestamp: second(0.5) })).toBeNull();
    expect(await reasonAfter(start, bad, { ...good, timestamp: second(0.5) })).toBe(2);
  });

  test('is judged by what the run itself has kept once retention has removed the event', async () => {
    const id = await server.user();
    await server.record({ userId: id, ...bad }, { userId: id, runId: 'run_2' });
    await server.app.services.database.transaction(async (transaction) => {
      await transaction.user.update({ where: { id }, data: { tailSequence: 2 } });
      await transaction.syncEvent.deleteMany({ where: { userId: id, sequence: 1 } });
    });
    expect(await reasonOfRun(id)).toMatchObject({ class: 'RATE_LIMITED', text: 'HTTP 429', event: null });
  });

  test('costs one statement, of one run and of a hundred', async () => {
    const userIds = await Promise.all([server.user(), server.user()]);
    for (const userId of userIds)
      await server.record(...Array.from({ length: 100 }, (_, n) => ({ userId, runId: `run_${n}`, ...bad })));
    const costOf = async (users: readonly string[], first: number, fields: string) => {
      statements = [];
      const runs = users.map(
        (id, at) => `u${at}: user(id: "${id}") { syncRuns(first: ${first}) { edges { node { runId ${fields} } } } }`,
      );
      const { data, errors } = await server.graphql(`{ ${runs.join(' ')} }`);
      expect(errors).toEqual([]);
      expect(JSON.stringify(data).split('RATE_LIMITED')).toHaveLength(fields === '' ? 1 : users.length * first + 1);
      return statements.length;
    };
    const without = await costOf(userIds, 100, '');
    expect(await costOf(userIds.slice(0, 1), 1, reason)).toBe(without + 1);
    expect(await costOf(userIds, 100, reason)).toBe(without + 1);
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
    const scopeDenied = { class: 'SCOPE_DENIED', retryable: false, actor: 'USER', text: 'no', event: { sequence: 1 } };
    const down = {
      class: 'PROVIDER_DOWN',
      retryable: true,
      actor: 'WAIT',
      text: '503 Service Unavailable',
      event: { sequence: 2 },
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
