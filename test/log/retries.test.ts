import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Draft, everythingOf, headOf, refusals, second, tryRecord } from '../support/recording.ts';
import { anEvent, startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let now = Date.UTC(2026, 2, 14, 12);

beforeAll(async () => {
  server = await startServer({ clock: () => now });
});
afterAll(() => server.close());

describe('a retry', () => {
  const full = (userId: string): Draft => ({
    ...{ userId, id: randomUUID(), ...anEvent, message: 'm', progress: 0.25, itemsProcessed: 1, itemsTotal: 4 },
    ...{ error: 'e', primaryUserId: randomUUID(), metadata: { a: 1, b: [true, { c: null }] } },
    ...{ startedAt: second(1), endedAt: second(2), timestamp: second(3) },
  });

  test('with the same id and content changes nothing and is answered with the event', async () => {
    const userId = await server.user();
    const draft = full(userId);
    const [first] = await server.record(draft);
    const before = await everythingOf(server, userId);
    now += 60_000;
    expect(await server.record(draft)).toEqual([{ ...first, duplicate: true }]);
    expect(await everythingOf(server, userId)).toEqual(before);
  });

  test('may spell the same content in another way', async () => {
    const userId = await server.user();
    const draft = full(userId);
    await server.record(draft);
    const before = await everythingOf(server, userId);
    for (const other of [
      { ...draft, id: String(draft.id).toUpperCase(), userId: userId.toUpperCase() },
      { ...draft, metadata: { b: [true, { c: null }], a: 1.0 } },
      { ...draft, timestamp: '2026-03-14T02:00:03.0004+02:00' },
    ])
      expect(await server.record(other)).toMatchObject([{ duplicate: true }]);
    expect(await everythingOf(server, userId)).toEqual(before);
  });

  test('may leave out what was null, and the other way round', async () => {
    const userId = await server.user();
    const id = randomUUID();
    const nulls = { message: null, progress: null, itemsProcessed: null, error: null, metadata: null, endedAt: null };
    await server.record({ userId, id });
    expect(await server.record({ userId, id, ...nulls })).toMatchObject([{ duplicate: true }]);
    expect(await server.record({ userId, id, metadata: {} })).toMatchObject([{ duplicate: true }]);
  });

  test('of a negative zero is a retry', async () => {
    const userId = await server.user();
    const fields = `id: "${randomUUID()}" userId: "${userId}" runId: "r" provider: "p" source: PULL stage: QUEUED
      status: IN_PROGRESS progress: -0.0 itemsProcessed: -0 metadata: { zero: -0.0 }`;
    const mutation = `mutation { recordSyncEvents(input: { events: [{ ${fields} }] }) { results { duplicate } } }`;
    for (const duplicate of [false, true])
      expect((await server.graphql(mutation)).data).toEqual({ recordSyncEvents: { results: [{ duplicate }] } });
  });

  test('without a timestamp agrees with any, as the server chose it', async () => {
    const userId = await server.user();
    const [id, timed] = [randomUUID(), randomUUID()];
    await server.record({ userId, id }, { userId, id: timed, timestamp: second(7) });
    now += 1_000;
    expect(await server.record({ userId, id }, { userId, id: timed })).toMatchObject([
      { duplicate: true },
      { duplicate: true },
    ]);
    expect(refusals(await tryRecord(server, [{ userId, id: timed, timestamp: second(8) }]))).toEqual([
      'EVENT_ID_CONFLICT',
    ]);
  });

  test('with the same id and other content is refused, and so is the whole recording', async () => {
    const [userId, other] = [await server.user(), await server.user()];
    const draft = full(userId);
    await server.record(draft);
    const before = await everythingOf(server, userId);
    const changes: Record<string, unknown> = {
      ...{ userId: other, runId: 'run_2', provider: 'garmin', source: 'SDK', stage: 'SAVING', status: 'STALE' },
      ...{ message: 'n', progress: 0.5, itemsProcessed: 2, itemsTotal: 5, error: null, primaryUserId: null },
      ...{ metadata: { a: 1, b: [true, {}] }, startedAt: second(2), endedAt: null, timestamp: second(4) },
    };
    for (const [field, value] of Object.entries(changes)) {
      const { data, errors } = await tryRecord(server, [{ userId }, { ...draft, [field]: value }, { userId: other }]);
      expect({ field, data, extensions: errors[0]?.extensions }).toMatchObject({
        field,
        data: null,
        extensions: { code: 'EVENT_ID_CONFLICT', problems: [{ index: 1, field: 'id' }] },
      });
    }
    expect(await everythingOf(server, userId)).toEqual(before);
    expect(await headOf(server, other)).toBe('0');
  });

  test('within one recording is stored once', async () => {
    const userId = await server.user();
    const id = randomUUID();
    const results = await server.record(
      { userId },
      { userId, id, message: 'm' },
      { userId, id, message: 'm' },
      { userId },
    );
    expect(results.map(({ duplicate, event }) => [duplicate, event.sequence])).toEqual([
      [false, 1],
      [false, 2],
      [true, 2],
      [false, 3],
    ]);
  });

  test('within one recording must be the same, too', async () => {
    const userId = await server.user();
    const id = randomUUID();
    expect(
      refusals(
        await tryRecord(server, [
          { userId, id, message: 'm' },
          { userId, id },
        ]),
      ),
    ).toEqual(['EVENT_ID_CONFLICT']);
    expect(await headOf(server, userId)).toBe('0');
  });

  test('that runs beside the first attempt is stored once', async () => {
    const userId = await server.user();
    const id = randomUUID();
    const answers = await Promise.all(Array.from({ length: 20 }, () => server.record({ userId, id })));
    expect(answers.flat().filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect(new Set(answers.flat().map(({ event }) => event.sequence))).toEqual(new Set([1]));
    expect(await headOf(server, userId)).toBe('1');
  });
});

test('a batch that names an event twice, once with a time, is refused and does not become a trap for its retry', async () => {
  const server = await startServer();
  onTestFinished(() => server.close());
  const userId = await server.user();
  const id = randomUUID();
  const timestamp = '2026-03-14T07:00:00.000Z';
  await expect(server.record({ id, userId }, { id, userId, timestamp })).rejects.toThrow('other content');
  await expect(server.record({ id, userId, timestamp }, { id, userId, timestamp })).resolves.toHaveLength(2);
});
