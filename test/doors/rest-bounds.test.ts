import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { rest } from '../support/rest-client.ts';
import { type Headers, startServer, type TestServer } from '../support/server.ts';

type Options = Parameters<typeof startServer>[0];

async function started(options: Options): Promise<TestServer> {
  const server = await startServer(options);
  onTestFinished(() => server.close());
  return server;
}

/** Records so many runs of a user, in parts that cost no more than 200 items. */
async function recordRuns(server: TestServer, userId: string, count: number, first = 1): Promise<void> {
  for (let from = 0; from < count; from += 100)
    await server.record(
      ...Array.from({ length: Math.min(100, count - from) }, (_, index) => ({
        ...{ userId, runId: `run_${first + from + index}` },
      })),
    );
}

const list = (server: TestServer, path: string, headers: Headers = server.admin) =>
  rest(`${server.url}/api/v1/${path}`, { headers });

describe('the runs of all users', () => {
  test('are as many as an operation may ask for with this credential, and refused where there is one more', async () => {
    const server = await started({ limits: { operationItems: { user: 450, service: 650 } } });
    const [userId, other] = [await server.user(), await server.user()];
    const tokens = [await server.userToken(userId), await server.userToken(other)] as const;
    await recordRuns(server, userId, 450);
    await recordRuns(server, other, 200);
    const lengthFor = async (limit: number, headers: Headers) =>
      (await list(server, `sync/runs?limit=${limit}`, headers)).body.length;
    expect(await lengthFor(10_000, tokens[0])).toBe(450);
    expect(await lengthFor(10_000, server.admin)).toBe(650);

    await recordRuns(server, userId, 1, 451);
    const refusal = (most: number) => ({
      status: 400,
      body: {
        detail: `A request may list at most ${most} runs with this credential, and there are more: lower \`limit\``,
      },
    });
    for (const limit of [451, 10_000])
      expect(await list(server, `sync/runs?limit=${limit}`, tokens[0])).toMatchObject(refusal(450));
    expect(await lengthFor(450, tokens[0])).toBe(450);
    expect(await list(server, 'sync/runs?limit=10000')).toMatchObject(refusal(650));
    expect(await lengthFor(650, server.admin)).toBe(650);
    // What is asked for counts only as far as it is there.
    expect(await lengthFor(10_000, tokens[1])).toBe(200);
    expect((await rest(`${server.url}/metrics`)).text).toMatch(
      /synclog_requests_total\{[^}]*operation="syncRuns"[^}]*code="LIMIT_EXCEEDED"[^}]*\} 3\n/,
    );
  });

  describe('that report while the list is read in pages of two, and so move to its front,', () => {
    /** A server with twelve runs, of which the oldest has the greatest id. Each page waits, once it is read, for `meanwhile`. */
    const reading = async (
      meanwhile: (page: number, move: (...runIds: string[]) => Promise<void>) => Promise<void>,
    ) => {
      const pages = { pageSize: 2, defaultPageSize: 2, defaultRunsOfUser: 2, defaultHistory: 2, listedRuns: 12 };
      const server = await started({ limits: { ...pages, defaultListedRuns: 2 } });
      const userId = await server.user();
      for (const runId of runIds) await server.record({ userId, runId });
      const idsOf = async (limit: number) =>
        (await list(server, `sync/runs?limit=${limit}`)).body.map(({ run_id: id }: { run_id: string }) => id);
      const { runs } = server.app.services;
      const readPages = runs.list.bind(runs);
      let page = 0;
      const held = vi.spyOn(runs, 'list').mockImplementation(async (requests) => {
        const found = await readPages(requests);
        page += 1;
        await meanwhile(page, async (...moved) => {
          await server.record(...moved.map((runId) => ({ userId, runId })));
        });
        return found;
      });
      onTestFinished(() => held.mockRestore());
      return { server, userId, idsOf, held };
    };
    const runIds = Array.from({ length: 12 }, (_, index) => `run_${String.fromCharCode(108 - index)}`);
    const oldest = runIds.slice(0, 5);

    test('are all listed, however many they are, and in place of older ones where there are more than asked for', async () => {
      for (const limit of [12, 10, 4]) {
        const { idsOf, held } = await reading(async (page, move) => {
          if (page === 1) await move(...oldest);
        });
        const listed = await idsOf(limit);
        held.mockRestore();
        expect(listed).toEqual(await idsOf(limit));
        expect(listed.slice(0, 4)).toEqual(oldest.slice(0, 4));
      }
    });

    test('are listed where they stand at last, if they move again while what has moved is read', async () => {
      const { idsOf, held } = await reading(async (page, move) => {
        if (page === 1) await move(...oldest);
        if (page === 5) await move('run_l'); // it is still to come
        if (page === 6) await move('run_h'); // the page before had it
      });
      const listed = await idsOf(12);
      held.mockRestore();
      expect(new Set(listed).size).toBe(12);
      expect(listed).toEqual(await idsOf(12));
    });

    test('are listed if they come to stand behind the newest, with which they were recorded', async () => {
      let late: (() => Promise<unknown>) | undefined;
      const { server, userId, idsOf, held } = await reading(async (page) => {
        if (page === 1) await late?.();
      });
      const { reader, transaction } = server.app.services.database;
      const at = async (runId: string) =>
        reader.syncRun.findUniqueOrThrow({ where: { userId_runId: { userId, runId } } });
      const { lastEventAt } = await at('run_b');
      late = () =>
        transaction(({ syncRun }) => syncRun.updateMany({ where: { userId, runId: 'run_l' }, data: { lastEventAt } }));
      const listed = await idsOf(12);
      held.mockRestore();
      expect(listed.slice(0, 3)).toEqual(['run_a', 'run_l', 'run_b']);
      expect(listed).toEqual(await idsOf(12));
    });

    test('are told of by a refusal where they move faster than they are read, and by none in a single page', async () => {
      let next = 0;
      const { server, idsOf, held } = await reading((_, move) => {
        next += 2;
        return move(runIds[next % 12] as string, runIds[(next + 1) % 12] as string);
      });
      expect(await list(server, 'sync/runs?limit=12')).toMatchObject({
        status: 400,
        body: { detail: 'Runs change faster than so many are listed: lower `limit`' },
      });
      expect(held.mock.calls.length).toBeLessThanOrEqual(12); // as many pages again as twelve runs have
      expect(await idsOf(2)).toHaveLength(2);
    });
  });

  test('have the time of one operation, however many pages are read', async () => {
    let laterMs = 0;
    const server = await started({
      onStatement: ({ sql }) => {
        if (/^\s*(SELECT|WITH).*\bsync_run\b/s.test(sql)) laterMs += 6_000;
      },
    });
    const userId = await server.user();
    await recordRuns(server, userId, 201);
    const now = performance.now.bind(performance);
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + laterMs);
    onTestFinished(() => clock.mockRestore());
    expect((await list(server, 'sync/runs?limit=200')).body).toHaveLength(200);
    expect(await list(server, 'sync/runs?limit=201')).toMatchObject({
      status: 400,
      body: { detail: 'A list may take at most 10 s: lower `limit`' },
    });
  });

  test('are put off beyond the first page while the server cannot keep up', async () => {
    const server = await started({ settings: { LOAD_SHEDDING: 'on' }, limits: { overloadMemoryPercent: 0 } });
    const [userId, other] = [await server.user(), await server.user()];
    await recordRuns(server, userId, 201);
    await recordRuns(server, other, 1);
    expect((await list(server, 'sync/runs?limit=200')).body).toHaveLength(200);
    expect(await list(server, 'sync/runs?limit=201')).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    const little = await list(server, 'sync/runs?limit=10000', await server.userToken(other));
    expect(little.body).toHaveLength(1);
  });
});

describe('a list', () => {
  test.each([
    ['of runs of all users, in pages', () => 'sync/runs?limit=10000', 5],
    ['of the runs of a user', (userId: string) => `users/${userId}/sync/runs`, 2],
    ['of the history of a user', (userId: string) => `users/${userId}/sync/history`, 2],
    ['of the newest events', (userId: string) => `users/${userId}/sync/recent`, 2],
    ['of the next events', (userId: string) => `users/${userId}/sync/recent?after=0`, 2],
  ])('%s has as many characters as an answer over GraphQL, and not one more', async (_, path, count) => {
    /** Always as long, on each server. */
    const listWithin = async (answerLength: number) => {
      const pages = { pageSize: 2, defaultPageSize: 2, defaultRunsOfUser: 2, defaultHistory: 2 };
      const server = await started({ limits: { ...pages, answerLength } });
      const userId = await server.user();
      const numbers = Array.from({ length: count }, (__, index) => index);
      await server.record(
        ...numbers.map((number) => ({ userId, runId: `run_${number}`, stage: 'STARTED', error: 'ö'.repeat(1_000) })),
      );
      return list(server, path(userId));
    };
    const { length } = (await listWithin(1_000_000)).text;
    expect(length).toBeGreaterThan(count * 1_000);
    expect((await listWithin(length)).text).toHaveLength(length);
    const detail = `An answer may have at most ${length - 1} characters, and this one would have more: lower \`limit\``;
    expect(await listWithin(length - 1)).toMatchObject({ status: 400, body: { detail } });
  });
});
