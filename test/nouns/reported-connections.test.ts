import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startServer, type TestServer } from '../support/server.ts';

const hour = 3_600_000;
const start = Date.UTC(2026, 2, 14, 12);

let server: TestServer;
let now = start;

beforeAll(async () => {
  server = await startServer({ clock: () => now });
});
afterAll(() => server.close());
beforeEach(() => {
  now = start;
});

const time = (ms: number) => new Date(ms).toISOString();

function report(input: object, headers?: Parameters<TestServer['graphql']>[2]) {
  return server.graphql(
    `mutation ($input: ReportConnectionInput!) { reportConnection(input: $input) {
      duplicate connection { connectionId state stateSince problem connectedAt revokedAt reason { class actor text } explain { verdict } }
    } }`,
    { input: { provider: 'fitbit', ...input } },
    headers,
  );
}

async function reported(input: object) {
  const { data, errors } = await report(input);
  expect(errors).toEqual([]);
  return data.reportConnection;
}

describe('a reported connection', () => {
  test('exists as soon as it was made, before its first sync', async () => {
    const userId = await server.user();
    expect(await reported({ userId, word: 'auth', connectionId: 'c1' })).toEqual({
      duplicate: false,
      connection: {
        connectionId: 'c1',
        ...{ state: 'CONNECTED', stateSince: time(start), connectedAt: time(start), revokedAt: null },
        ...{ problem: null, reason: null },
        explain: { verdict: 'The person has connected, and no sync has been reported yet.' },
      },
    });
  });

  test.each([
    ['auth', { state: 'CONNECTED', problem: null, reason: null }],
    ['user_reauth', { state: 'CONNECTED', problem: null, reason: null }],
    ['deauth', { state: 'DISCONNECTED', reason: { class: 'RECONNECT_NEEDED', actor: 'USER', text: 'deauth' } }],
    ['access_revoked', { state: 'DISCONNECTED', reason: { class: 'RECONNECT_NEEDED', actor: 'USER' } }],
    ['connection_error', { state: 'NEEDS_RECONNECT', reason: { class: 'RECONNECT_NEEDED', actor: 'USER' } }],
    ['permission_change', { state: 'CONNECTED', reason: { class: 'OTHER', actor: 'USER', text: 'permission_change' } }],
    ['token_refresh_failed', { state: 'NEEDS_RECONNECT', reason: { class: 'RECONNECT_NEEDED', actor: 'USER' } }],
    ['webhook_registration_failed', { state: 'CONNECTED', reason: { class: 'INTERNAL', actor: 'OPERATOR' } }],
    ['user_not_found', { state: 'DISCONNECTED', reason: { class: 'RECONNECT_NEEDED', actor: 'USER' } }],
    ['deregistered_per_provider', { state: 'DISCONNECTED', reason: { class: 'RECONNECT_NEEDED', actor: 'USER' } }],
    ['required_scopes_not_granted', { state: 'CONNECTED', reason: { class: 'SCOPE_DENIED', actor: 'USER' } }],
    ['provider_credential_error', { state: 'NEEDS_RECONNECT', reason: { class: 'RECONNECT_NEEDED', actor: 'USER' } }],
    ['PROVIDER_PASSWORD_EXPIRED', { state: 'NEEDS_RECONNECT', reason: { class: 'RECONNECT_NEEDED', actor: 'USER' } }],
  ])('understands %s', async (word, connection) => {
    const userId = await server.user();
    await reported({ userId, word: 'connected', at: time(start - hour) });
    expect(await reported({ userId, word })).toMatchObject({ duplicate: false, connection });
    expect(await reported({ userId, word, at: time(start) })).toMatchObject({ duplicate: true, connection });
  });

  test('takes a word that nobody knows where its state is given, and guesses nothing', async () => {
    const userId = await server.user();
    const { errors } = await report({ userId, word: 'fell_off' });
    expect(errors).toMatchObject([
      {
        message: expect.stringMatching(/^input.state: is needed, as no rule knows the word fell_off; known are auth, /),
        extensions: { code: 'BAD_USER_INPUT', argumentPath: ['input', 'state'] },
      },
    ]);
    expect(await reported({ userId, word: 'fell_off', state: 'DISCONNECTED' })).toMatchObject({
      connection: { state: 'DISCONNECTED', problem: 'fell_off', reason: { class: 'OTHER' } },
    });
  });

  test('is told in any order: the newest counts', async () => {
    const userId = await server.user();
    await reported({ userId, word: 'deauth', at: time(start - hour) });
    expect(await reported({ userId, word: 'auth', at: time(start - 2 * hour) })).toMatchObject({
      connection: { state: 'DISCONNECTED' },
    });
    expect(await reported({ userId, word: 'user_reauth', at: time(start) })).toMatchObject({
      connection: { state: 'CONNECTED' },
    });
  });

  test('is what its syncs tell, too: a success takes back what was noted', async () => {
    const userId = await server.user();
    await reported({ userId, word: 'permission_change', at: time(start - hour) });
    await server.record({ userId, runId: 'a', provider: 'fitbit', status: 'SUCCESS', timestamp: time(start) });
    expect(await reported({ userId, word: 'permission_change', at: time(start - hour) })).toMatchObject({
      duplicate: true,
      connection: { state: 'CONNECTED', problem: null, reason: null },
    });
  });

  test('keeps the newest note, however often and late the others are told', async () => {
    const userId = await server.user();
    await reported({ userId, word: 'connected', at: time(start - 3 * hour) });
    const older = { userId, word: 'webhook_registration_failed', at: time(start - 2 * hour) };
    const newer = { userId, word: 'permission_change', at: time(start - hour) };
    for (const each of [older, newer]) expect(await reported(each)).toMatchObject({ duplicate: false });
    for (const each of [older, newer, older])
      expect(await reported(each)).toMatchObject({ duplicate: true, connection: { problem: 'permission_change' } });
    await reported({ userId, word: 'user_reauth', at: time(start) });
    expect(await reported(newer)).toMatchObject({ duplicate: true, connection: { problem: null } });
  });

  test('is over although something was noted of it since', async () => {
    const userId = await server.user();
    await reported({ userId, word: 'connected', at: time(start - 3 * hour), connectionId: 'b' });
    await reported({ userId, word: 'permission_change', at: time(start - hour) });
    expect(await reported({ userId, word: 'access_revoked', at: time(start - 2 * hour) })).toMatchObject({
      connection: { state: 'DISCONNECTED', problem: 'access_revoked' },
    });
  });

  test('keeps its id where news of another is late, and takes a good word for nothing', async () => {
    const userId = await server.user();
    await reported({ userId, word: 'connected', at: time(start - hour), connectionId: 'new' });
    await reported({ userId, word: 'access_revoked', at: time(start - 2 * hour), connectionId: 'old' });
    expect(await reported({ userId, word: 'connected', state: 'UNKNOWN' })).toMatchObject({
      duplicate: true,
      connection: { state: 'CONNECTED', problem: null, connectionId: 'new' },
    });
  });

  test('keeps why its syncs fail, whatever is noted', async () => {
    const userId = await server.user();
    for (const n of [3, 2, 1])
      await server.record({
        ...{ userId, runId: `f${n}`, provider: 'fitbit', status: 'FAILED', error: 'HTTP 429' },
        timestamp: time(start - n * hour),
      });
    expect(await reported({ userId, word: 'permission_change' })).toMatchObject({
      ...{ duplicate: true, connection: { reason: { class: 'RATE_LIMITED', actor: 'WAIT' } } },
    });
  });

  test('expects nothing once it is over, and begins anew when it is made again', async () => {
    const userId = await server.user();
    const health = async () => {
      const { data } = await server.graphql('query ($id: UUID!) { user(id: $id) { connections { health } } }', {
        id: userId,
      });
      return data.user.connections[0].health;
    };
    const pull = (n: number, rest: object) =>
      server.record({ userId, runId: `p${n}`, provider: 'fitbit', ...rest, timestamp: time(start - (40 - n) * hour) });
    for (let n = 0; n < 24; n++) await pull(n, { status: 'SUCCESS', itemsProcessed: 0 });
    expect(await health()).toBe('NO_PROGRESS');
    for (let n = 24; n < 27; n++) await pull(n, { status: 'FAILED' });
    expect(await health()).toBe('FAILING');
    await reported({ userId, word: 'user_disconnected', at: time(start - hour) });
    expect(await health()).toBe('UNKNOWN');
    await reported({ userId, word: 'auth', at: time(start) });
    expect(await health()).toBe('HEALTHY');
  });

  test('is for the person to make again, also where no rule knows the word', async () => {
    const userId = await server.user();
    await reported({ userId, word: 'token_gone', state: 'NEEDS_RECONNECT' });
    const { data } = await server.graphql(
      'query ($id: UUID!) { user(id: $id) { connections { explain { actor } } } }',
      { id: userId },
    );
    expect(data.user.connections).toEqual([{ explain: { actor: 'USER' } }]);
  });

  test('keeps what has broken it, whatever is noted', async () => {
    const userId = await server.user();
    await reported({ userId, word: 'refresh_failed', at: time(start - hour) });
    expect(await reported({ userId, word: 'permission_change' })).toMatchObject({
      connection: { state: 'NEEDS_RECONNECT', problem: 'refresh_failed' },
    });
  });

  const failed = (userId: string, run: string, hours: number, error: string) =>
    server.record({
      ...{ userId, runId: run, provider: 'fitbit', stage: 'FAILED', status: 'FAILED' },
      ...{ error, timestamp: time(start + hours * hour) },
    });

  test('that was made before its syncs failed fails still, though that is told late', async () => {
    const userId = await server.user();
    for (const hours of [-4, -3, -2]) await failed(userId, `run${hours}`, hours, '503 Service Unavailable');
    expect(await reported({ userId, word: 'auth', at: time(start - 5 * hour) })).toMatchObject({
      connection: {
        ...{ state: 'CONNECTED', connectedAt: time(start - 5 * hour), problem: '503 Service Unavailable' },
        ...{ reason: { class: 'PROVIDER_DOWN' }, explain: { verdict: 'Syncs fail: the provider does not answer.' } },
      },
    });
    expect(await reported({ userId, word: 'user_reauth' })).toMatchObject({
      connection: { problem: null, reason: null },
    });
  });

  test('fails for the reason of its syncs, whatever is noted beside them', async () => {
    const userId = await server.user();
    for (const hours of [-3, -2, -1]) await failed(userId, `run${hours}`, hours, '503 Service Unavailable');
    expect(await reported({ userId, word: 'webhook_registration_failed' })).toMatchObject({
      duplicate: true,
      connection: { reason: { class: 'PROVIDER_DOWN', actor: 'WAIT' } },
    });
  });

  test('was made anew after what is noted late', async () => {
    const userId = await server.user();
    await reported({ userId, word: 'user_reauth' });
    expect(await reported({ userId, word: 'permission_change', at: time(start - hour) })).toMatchObject({
      duplicate: true,
      connection: { problem: null, reason: null },
    });
  });

  test.each(['fell_off', 'provider_unavailable', 'success'])(
    'that has broken by the word %s waits for its person',
    async (word) => {
      const userId = await server.user();
      const reason = { class: 'RECONNECT_NEEDED', actor: 'USER', text: word };
      expect(await reported({ userId, word, state: 'NEEDS_RECONNECT' })).toMatchObject({ connection: { reason } });
      const { data } = await server.graphql(
        `{ connections(filter: { reason: RECONNECT_NEEDED }, first: 200) { edges { node { user { id } explain { actor } } } } }`,
      );
      expect(data.connections.edges).toContainEqual({ node: { user: { id: userId }, explain: { actor: 'USER' } } });
    },
  );

  test('that its person has revoked is not broken by a sync that is refused then', async () => {
    const userId = await server.user();
    await reported({ userId, word: 'deauth', at: time(start - hour) });
    await failed(userId, 'a', 0, '401 Unauthorized');
    expect(await reported({ userId, word: 'deauth', at: time(start - hour) })).toMatchObject({
      duplicate: true,
      connection: { state: 'DISCONNECTED', problem: 'deauth', stateSince: time(start - hour) },
    });
  });

  test.each([
    [{ provider: '' }, 'input.provider: must not be empty'],
    [{ word: '' }, 'input.word: must not be empty'],
    [{ word: 'x'.repeat(65) }, 'input.word: must have at most 64 characters, it has 65'],
    [{ connectionId: '' }, 'input.connectionId: must not be empty'],
    [
      { at: '1999-01-01T00:00:00Z' },
      'input.at: must be from 2000-01-01T00:00:00.000Z to before 2100-01-01T00:00:00.000Z',
    ],
    [{ word: 'a\u0000b', state: 'CONNECTED' }, 'input.word: must not contain a NUL character'],
  ])('is refused with what is wrong: %j', async (input, message) => {
    const { errors } = await report({ userId: await server.user(), word: 'auth', ...input });
    expect(errors).toMatchObject([{ message, extensions: { code: 'BAD_USER_INPUT' } }]);
  });

  test('needs a user and the scope write, and shows itself to who may read', async () => {
    const userId = await server.user();
    const nobody = '00000000-0000-4000-8000-000000000000';
    expect((await report({ userId: nobody, word: 'auth' })).errors).toMatchObject([
      { extensions: { code: 'NOT_FOUND' } },
    ]);
    expect((await report({ userId, word: 'auth' }, await server.key('read'))).errors).toMatchObject([
      { extensions: { code: 'FORBIDDEN' } },
    ]);
    const writer = await server.key('write');
    const { data, errors } = await report({ userId, word: 'auth' }, writer);
    expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' }, path: ['reportConnection', 'connection'] }]);
    expect(data.reportConnection).toEqual({ duplicate: false, connection: null });
  });
});
