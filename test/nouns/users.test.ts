import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WakeUps } from '../../src/instances/wake-ups.ts';
import { cutLog } from '../../src/log/cut-log.ts';
import { Users } from '../../src/users/users.ts';
import { openLog } from '../support/log-reader.ts';
import { everythingOf, headOf, refusals, tryRecord } from '../support/recording.ts';
import { type Headers, startServer, type TestServer } from '../support/server.ts';
import { plainSql } from '../support/sql.ts';
import { streamTransports } from '../support/streams.ts';

let server: TestServer;
let now = Date.UTC(2026, 2, 14, 12);
/** Statements that removed events or users. */
const deletions: string[] = [];
/** Called when the quarantine has been looked through. */
let onLook: () => void = () => {};

beforeAll(async () => {
  server = await startServer({
    clock: () => now,
    limits: { retentionBatch: 10, slowPollMs: 100 },
    onStatement({ sql }) {
      if (/SELECT fingerprint FROM .*quarantined_entry/s.test(sql)) onLook();
      if (/DELETE FROM.*(sync_event|user)\b.*WHERE/s.test(sql) && !sql.includes('sync_run'))
        deletions.push(plainSql(sql));
    },
  });
});
afterAll(() => server.close());

describe('deleteUser', () => {
  const deleteUser = (id: string, headers?: Headers) =>
    server.graphql('mutation ($id: UUID!) { deleteUser(id: $id) { deletedUserId } }', { id }, headers);

  test('removes the user with all events and runs, and nobody else', async () => {
    const [userId, other] = [await server.user({ externalUserId: 'going' }), await server.user()];
    const ids = [randomUUID(), randomUUID()];
    await server.record({ userId, id: ids[0] }, { userId, id: ids[1], runId: 'run_2' }, { userId: other });
    const kept = await everythingOf(server, other);
    expect((await deleteUser(userId)).data).toEqual({ deleteUser: { deletedUserId: userId } });

    const { reader } = server.app.services.database;
    expect(await reader.user.count({ where: { id: userId } })).toBe(0);
    expect(await reader.syncEvent.count({ where: { userId } })).toBe(0);
    expect(await reader.syncRun.count({ where: { userId } })).toBe(0);
    expect(await everythingOf(server, other)).toEqual(kept);
    expect(refusals(await tryRecord(server, [{ userId }]))).toEqual(['NOT_FOUND']);

    // Nothing of the old log shows in a new one under the same ids.
    await server.graphql('mutation ($id: UUID!) { upsertUser(input: { id: $id, externalUserId: "going" }) { id } }', {
      id: userId,
    });
    expect(await server.record({ userId, id: ids[1], message: 'new' })).toMatchObject([
      { duplicate: false, event: { sequence: 1, late: false } },
    ]);
  });

  test('removes what is in quarantine of the user, and nothing that is to be stored of another', async () => {
    const [userId, other] = [await server.user(), await server.user()];
    const entry = { source: 'one', detail: 'wrong', place: 'a channel', payloadBytes: 1, firstSeenAt: new Date() };
    const owned = (id: string, more = {}) => JSON.stringify({ run_id: 'r', user_id: id, ...more });
    const going = [
      { place: `sync:status:user:${userId}:recent`, reason: 'not_stored', payload: '{' },
      { place: `sync:status:user:${userId}:recent`, reason: 'not_json', payload: null },
      { reason: 'bad_event', payload: `{ "user_id": "${userId.toUpperCase()}"` },
      { reason: 'bad_event', payload: owned(other, { primary_user_id: userId }) },
      { reason: 'bad_event', payload: null, detail: `user_id: ${userId} is none` },
      { reason: 'not_stored', payload: owned(userId) },
      { reason: 'not_stored', payload: `{"user_id": "${userId}"}` },
    ];
    const staying = [
      { reason: 'not_stored', payload: owned(other, { primary_user_id: userId, note: `of ${userId}` }) },
      { reason: 'bad_event', payload: owned(other) },
      { reason: 'not_json', payload: null },
    ];
    const { database } = server.app.services;
    const data = [...going, ...staying].map((row, index) => ({ ...entry, ...row, fingerprint: `erasure_${index}` }));
    await database.transaction((transaction) => transaction.quarantinedEntry.createMany({ data }));
    expect((await deleteUser(randomUUID())).errors).toHaveLength(1);
    const answer = await server.graphql(
      'mutation ($id: UUID!) { deleteUser(id: $id) { receipt { quarantinedEntries } } }',
      { id: userId },
    );
    expect(answer.data.deleteUser.receipt.quarantinedEntries).toBe(going.length);
    const left = await database.reader.quarantinedEntry.findMany({
      where: { source: 'one' },
      orderBy: { fingerprint: 'asc' },
    });
    expect(left.map(({ fingerprint }) => fingerprint)).toEqual(['erasure_7', 'erasure_8', 'erasure_9']);
  });

  test('removes what comes into quarantine while the user is being erased', async () => {
    const userId = await server.user();
    const { database, users } = server.app.services;
    const seen = { source: 'late', payload: null, payloadBytes: 1, firstSeenAt: new Date(now), reason: 'not_json' };
    const looked = new Promise<void>((resolve) => {
      onLook = resolve;
    });
    const erasure = await database.transaction(async (transaction) => {
      await transaction.user.updateMany({ where: { id: userId }, data: { id: userId } }); // the erasure waits for it
      await transaction.source.create({ data: { name: 'late' } });
      const erased = users.delete(userId);
      await looked;
      const late = { ...seen, fingerprint: 'late', detail: 'wrong', place: `sync:status:user:${userId}:recent` };
      await transaction.quarantinedEntry.create({ data: late });
      return { erased };
    });
    expect(await erasure.erased).toMatchObject({ quarantinedEntries: 1 });
    expect(await database.reader.quarantinedEntry.count({ where: { source: 'late' } })).toBe(0);
  });

  test('leaves the id where the log of another names it: that log is neither searched nor changed', async () => {
    const [userId, other] = [await server.user(), await server.user()];
    await server.record({ userId: other, primaryUserId: userId });
    await deleteUser(userId);
    const { data } = await server.graphql(
      'query ($id: UUID!) { user(id: $id) { recentSyncEvents { primaryUserId } } }',
      {
        id: other,
      },
    );
    expect(data.user.recentSyncEvents).toEqual([{ primaryUserId: userId }]);
  });

  test('removes a long log batch by batch, so that no statement takes as long as the log is', async () => {
    const userId = await server.user();
    await server.record(...Array.from({ length: 55 }, (_, n) => ({ userId, runId: `run_${n % 7}` })));
    const { reader } = server.app.services.database;
    const { createdAt } = await reader.user.findUniqueOrThrow({ where: { id: userId } });
    expect(await cutLog(server.app.services.database, { id: userId, createdAt }, 4)).toEqual({ events: 3, runs: 0 });
    deletions.length = 0;
    expect((await deleteUser(userId)).data).toEqual({ deleteUser: { deletedUserId: userId } });
    const tables = deletions.map((sql) => /DELETE FROM (\w+)/.exec(sql)?.[1]);
    expect(tables).toEqual([...Array(5).fill('sync_event'), 'user']);
    expect(await reader.syncEvent.count({ where: { userId } })).toBe(0);
    expect(await reader.syncRun.count({ where: { userId } })).toBe(0);
  });

  test('ends the streams of the old log, though its user is made anew unheard, by a clock that is no later', async () => {
    const { database, limits } = server.app.services;
    for (const [clock, makeAnew] of [
      [now, (users: Users, id: string) => users.upsert({ id })],
      [now - 60_000, (users: Users, id: string) => users.upsert({ id })],
      [now - 60_000, (users: Users, id: string) => users.ensure(new Map([[id, new Date(now + 60_000)]]))],
    ] as const) {
      const elsewhere = new Users({ database, limits, wakeUps: new WakeUps(), clock: () => clock });
      const userId = await server.user();
      await server.record({ userId }, { userId });
      const source = { url: server.url, headers: server.admin };
      const reader = await openLog(streamTransports.websocket, source, { userId, after: '0' });
      await reader.eventsUpTo(2);
      const madeAt = (await database.reader.user.findUniqueOrThrow({ where: { id: userId } })).createdAt;
      await elsewhere.delete(userId);
      await makeAnew(elsewhere, userId);
      await server.record(...Array.from({ length: 3 }, () => ({ userId })));
      expect(await reader.end()).toMatchObject({ by: 'complete' });
      expect((await database.reader.user.findUniqueOrThrow({ where: { id: userId } })).createdAt > madeAt).toBe(true);
    }
  });

  test('answers NOT_FOUND for an unknown user', async () => {
    expect(refusals(await deleteUser(randomUUID()))).toEqual(['NOT_FOUND']);
  });

  test('needs the scope admin', async () => {
    const userId = await server.user();
    for (const headers of [await server.key('read', 'write'), await server.userToken(userId)])
      expect(refusals(await deleteUser(userId, headers))).toEqual(['FORBIDDEN']);
    expect(refusals(await deleteUser(userId, {}))).toEqual(['UNAUTHENTICATED']);
    expect(await headOf(server, userId)).toBe('0');
  });
});

describe('upsertUser', () => {
  const fields = 'id externalUserId email firstName lastName createdAt';
  async function upsert(input: object) {
    const mutation = `mutation ($input: UpsertUserInput!) { upsertUser(input: $input) { ${fields} } }`;
    const answer = await server.graphql(mutation, { input });
    return { user: answer.data?.upsertUser, codes: refusals(answer), errors: answer.errors };
  }

  test('makes a user, with the given id or a new one', async () => {
    const id = randomUUID();
    now = Date.UTC(2026, 5, 1);
    const nothing = { externalUserId: null, email: null, firstName: null, lastName: null };
    const createdAt = '2026-06-01T00:00:00.000Z';
    expect((await upsert({ id: id.toUpperCase(), email: 'a@b' })).user).toEqual({
      id,
      ...nothing,
      email: 'a@b',
      createdAt,
    });
    const { user } = await upsert({});
    expect(user).toEqual({ id: expect.stringMatching(/^[0-9a-f-]{36}$/), ...nothing, createdAt });
  });

  test('finds the user by id, and keeps what is left out', async () => {
    const id = randomUUID();
    const { user } = await upsert({ id, externalUserId: `ext ${id}`, email: 'a@b', firstName: 'A', lastName: 'B' });
    now += 1_000;
    expect((await upsert({ id })).user).toEqual(user);
    expect((await upsert({ id, firstName: 'C' })).user).toEqual({ ...user, firstName: 'C' });
    expect((await upsert({ id, externalUserId: `new ${id}` })).user).toMatchObject({ id, externalUserId: `new ${id}` });
  });

  test('finds the user by externalUserId where no id is given', async () => {
    const externalUserId = randomUUID();
    const { user } = await upsert({ externalUserId, firstName: 'A' });
    expect((await upsert({ externalUserId, lastName: 'B' })).user).toEqual({ ...user, lastName: 'B' });
    expect((await upsert({ id: null, externalUserId, lastName: 'C' })).user).toEqual({ ...user, lastName: 'C' });
  });

  test('clears what is given as null', async () => {
    const id = randomUUID();
    await upsert({ id, externalUserId: `ext ${id}`, email: 'a@b', firstName: 'A', lastName: 'B' });
    expect(
      (await upsert({ id, externalUserId: null, email: null, firstName: null, lastName: null })).user,
    ).toMatchObject({
      ...{ id, externalUserId: null, email: null, firstName: null, lastName: null },
    });
  });

  test('refuses an externalUserId that belongs to another user', async () => {
    const externalUserId = randomUUID();
    const owner = (await upsert({ externalUserId })).user;
    const other = (await upsert({ firstName: 'other' })).user;
    for (const id of [other.id, randomUUID()]) {
      const { codes, errors } = await upsert({ id, externalUserId });
      expect(codes).toEqual(['BAD_USER_INPUT']);
      expect(errors[0]?.extensions.argumentPath).toEqual(['input', 'externalUserId']);
    }
    expect((await upsert({ externalUserId })).user.id).toBe(owner.id);
    expect((await upsert({ id: other.id })).user).toEqual(other);
  });

  test('takes texts of 1 to 255 characters', async () => {
    for (const field of ['externalUserId', 'email', 'firstName', 'lastName']) {
      const longest = `${randomUUID()}${'x'.repeat(219)}`;
      expect((await upsert({ [field]: longest })).user).toMatchObject({ [field]: longest });
      for (const bad of ['', `${longest}x`, 'a\0b', 'a\ud800b']) {
        const { codes, errors } = await upsert({ [field]: bad });
        expect(codes).toEqual(['BAD_USER_INPUT']);
        expect(errors[0]?.extensions.argumentPath).toEqual(['input', field]);
      }
    }
  });

  test('gives many at once that name the same externalUserId one user', async () => {
    const externalUserId = randomUUID();
    const made = await Promise.all(Array.from({ length: 20 }, () => upsert({ externalUserId })));
    expect(new Set(made.map(({ user }) => user.id)).size).toBe(1);
  });
});
