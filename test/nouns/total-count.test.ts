import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { StatementReport } from '../../src/db/watch-statements.ts';
import { startServer, type TestServer } from '../support/server.ts';

describe('totalCount', () => {
  let server: TestServer;
  let statements: StatementReport[] = [];
  let userId: string;

  beforeAll(async () => {
    server = await startServer({
      onStatement: (report) => statements.push(report),
      limits: { operationDepth: 64, operationItems: { user: 50_000, service: 50_000 } },
    });
    userId = await server.user();
    const events = Array.from({ length: 30 }, (_, n) => ({
      ...{ userId, runId: `run_${n % 3}`, provider: n % 10 === 0 ? 'garmin' : 'oura' },
    }));
    await server.record(...events);
  });
  afterAll(() => server.close());

  async function ask(field: string, id = userId) {
    statements = [];
    const { data, errors } = await server.graphql(`query ($id: UUID!) { user(id: $id) { list: ${field} } }`, { id });
    expect(errors).toEqual([]);
    return data.user.list;
  }

  test.each([
    ['syncEvents { totalCount }', 30],
    ['syncEvents(first: 0) { totalCount edges { cursor } }', 30],
    ['syncEvents(first: 7, after: "12") { totalCount edges { cursor } }', 30],
    ['syncEvents(last: 7, filter: { providers: null }) { totalCount edges { cursor } }', 30],
    ['syncEvents(filter: { providers: ["garmin"] }) { totalCount }', 3],
    ['syncEvents(first: 3, filter: { providers: ["garmin"] }) { totalCount }', 3],
    ['syncEvents(first: 2, filter: { providers: ["garmin"] }) { totalCount }', null],
    ['syncEvents(after: "1", filter: { providers: ["garmin"] }) { totalCount }', null],
    ['syncEvents(filter: { providers: ["nobody"] }) { totalCount }', 0],
    ['syncEvents(first: 5, filter: { search: "run_1" }) { totalCount }', null],
    ['syncEvents(first: 5, filter: { recordedUntil: "2000-01-01T00:00:00Z" }) { totalCount }', 0],
    ['syncEvents(first: 5, after: "3", filter: { recordedSince: "2000-01-01T00:00:00Z" }) { totalCount }', 30],
    ['syncEvents(first: 5, filter: { recordedSince: "2000-01-01T00:00:00Z", runId: "run_1" }) { totalCount }', null],
    ['syncRuns { totalCount }', 3],
    ['syncRuns(last: 3) { totalCount edges { cursor } }', 3],
    ['syncRuns(first: 2) { totalCount edges { cursor } }', null],
    ['syncRuns(filter: { search: "run_1" }) { totalCount }', 1],
    ['syncRuns(filter: { providers: ["nobody"] }) { totalCount }', 0],
    ['syncRuns(first: 0) { totalCount }', null],
  ])('is exact, or null where it would have to be counted: %s', async (field, count) => {
    expect((await ask(field)).totalCount).toBe(count);
  });

  test('of the events of a run is that of the run, whatever the page', async () => {
    for (const page of ['first: 2', 'last: 2', 'first: 0', 'first: 2, after: "20"']) {
      const run = await ask(`syncRun(runId: "run_2") { eventCount events(${page}) { totalCount edges { cursor } } }`);
      expect(run).toMatchObject({ eventCount: 10, events: { totalCount: 10 } });
    }
  });

  test('of an empty log, and of its runs, is 0', async () => {
    const id = await server.user();
    expect(await ask('syncEvents { totalCount }', id)).toEqual({ totalCount: 0 });
    expect(await ask('syncRuns { totalCount }', id)).toEqual({ totalCount: 0 });
  });

  test('costs nothing but, of the events of runs, one statement for all of them', async () => {
    const costOf = async (field: string) => {
      await ask(field);
      return statements.length;
    };
    const paged = (count: string) => `syncEvents(first: 3) { ${count} edges { cursor } }`;
    expect(await costOf(paged('totalCount'))).toBe(await costOf(paged('')));
    const runs = (count: string) =>
      `syncRuns(first: 3) { edges { node { events(first: 2) { ${count} edges { cursor } } } } }`;
    expect(await costOf(runs('totalCount'))).toBe((await costOf(runs(''))) + 1);
    expect(statements.filter(({ sql }) => /count\(/i.test(sql))).toEqual([]);
  });

  test('leaves out what retention has removed, and is null where nothing tells how much of a run that is', async () => {
    const id = await server.user();
    await server.record(...Array.from({ length: 6 }, (_, n) => ({ userId: id, runId: `run_${n % 2}` })));
    const { database } = server.app.services;
    await database.transaction(async (transaction) => {
      await transaction.user.update({ where: { id }, data: { tailSequence: 4 } });
      await transaction.syncEvent.deleteMany({ where: { userId: id, sequence: { lt: 4 } } });
    });
    expect(await ask('syncEvents(first: 1) { totalCount }', id)).toEqual({ totalCount: 3 });
    const recorded = 'syncEvents(first: 1, filter: { recordedSince: "2000-01-01T00:00:00Z" }) { totalCount }';
    expect(await ask(recorded, id)).toEqual({ totalCount: 3 });
    const count = async (page: string) =>
      (await ask(`syncRun(runId: "run_1") { events(${page}) { totalCount } }`, id)).events.totalCount;
    expect(await count('first: 1')).toBeNull();
    expect(await count('first: 9')).toBe(2);
  });

  test('fits the page that it is shown with while others record, or is null', async () => {
    const id = await server.user();
    await server.record(...Array.from({ length: 210 }, () => ({ userId: id }))); // more than are on a page
    let recording = true;
    const record = async () => {
      while (recording) await server.record({ userId: id });
    };
    const recorders = [record(), record()];
    const stop = async () => {
      recording = false;
      await Promise.all(recorders);
    };
    onTestFinished(stop);
    // The longer it takes from the reading of the user to the counting, the more is recorded between.
    const deep = (last: number): string =>
      last > 5
        ? 'events(last: 200) { totalCount edges { cursor } }'
        : `events(last: ${last}) { edges { node { run { ${deep(last + 1)} } } } }`;
    const query = `query ($id: UUID!) {
      user(id: $id) { headCursor syncEvents(last: 1) { totalCount } syncRun(runId: "run_1") { ${deep(1)} } }
    }`;
    const read = async () => {
      const { data, errors } = await server.graphql(query, { id });
      expect(errors).toEqual([]);
      const head = Number(data.user.headCursor);
      expect(data.user.syncEvents.totalCount).toBe(head);
      let { events } = data.user.syncRun;
      while (events.totalCount === undefined) events = events.edges[0].node.run.events;
      expect(Number(events.edges.at(-1).cursor)).toBe(head);
      return { head, count: events.totalCount };
    };
    for (let times = 0; times < 40; times += 1) {
      const { head, count } = await read();
      expect([head, null]).toContain(count);
    }
    await stop();
    const { head, count } = await read();
    expect(count).toBe(head);
  });
});
