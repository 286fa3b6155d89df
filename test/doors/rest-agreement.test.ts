import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dataTypeKinds } from '../../src/data-types/reports.ts';
import { scopeWords, sourceWords, stageWords, statusWords } from '../../src/log/words.ts';
import { openEventStream } from '../support/event-stream.ts';
import { rest } from '../support/rest-client.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { openSseStream } from '../support/streams.ts';

/** Fields of the wire with the fields of GraphQL that they show, written down a second time and by hand. */
const eventFields = {
  event_id: 'id',
  run_id: 'runId',
  user_id: 'userId',
  provider: 'provider',
  source: 'source',
  scope: 'scope',
  stage: 'stage',
  status: 'status',
  message: 'message',
  progress: 'progress',
  items_processed: 'itemsProcessed',
  items_total: 'itemsTotal',
  error: 'error',
  primary_user_id: 'primaryUserId',
  metadata: 'metadata',
  window_start: 'windowStart',
  window_end: 'windowEnd',
  started_at: 'startedAt',
  ended_at: 'endedAt',
  timestamp: 'timestamp',
};
const runFields = {
  run_id: 'runId',
  user_id: 'user',
  provider: 'provider',
  source: 'source',
  stage: 'stage',
  status: 'status',
  message: 'message',
  progress: 'progress',
  items_processed: 'itemsProcessed',
  items_total: 'itemsTotal',
  error: 'error',
  primary_user_id: 'newestPrimaryUserId',
  started_at: 'newestStartedAt',
  ended_at: 'endedAt',
  last_update: 'lastEventAt',
};
const historyFields = {
  run_key: 'runId',
  user_id: 'user',
  provider: 'provider',
  source: 'source',
  scope: 'scope',
  status: 'milestoneStatus',
  trace_id: 'traceId',
  window_start: 'windowStart',
  window_end: 'windowEnd',
  started_at: 'openedAt',
  ended_at: 'lastEndedAt',
  items_inserted: 'itemsInserted',
  items_updated: 'itemsUpdated',
  error: 'milestoneError',
};
const dataTypeFields = {
  data_type: 'dataType',
  kind: 'kind',
  status: 'status',
  native_type: 'nativeType',
  reported_records: 'reportedRecords',
  items_inserted: 'itemsInserted',
  items_updated: 'itemsUpdated',
  covered_start: 'covered',
  covered_end: 'covered',
  error_code: 'errorCode',
  error: 'error',
  attempt: 'attempts',
};
const select = (fields: object) =>
  [...new Set(Object.values(fields))]
    .join(' ')
    .replace('user ', 'user { id } ')
    .replace('covered ', 'covered { start end } ');

const words = new Set<string>(
  [...sourceWords, ...stageWords, ...statusWords, ...scopeWords, ...dataTypeKinds].map((word) => word.toUpperCase()),
);
const wordFields = ['source', 'stage', 'status', 'scope', 'milestoneStatus', 'kind'];
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** What GraphQL shows, as the wire writes it. */
function toWire(fields: Readonly<Record<string, string>>, shown: Readonly<Record<string, unknown>>) {
  const write = (field: string, value: unknown, name: string): unknown => {
    if (field === 'covered')
      return write(name, (value as Record<string, unknown> | null)?.[name.replace('covered_', '')] ?? null, '');
    if (field === 'user') return (value as { id: string }).id;
    if (value !== null && wordFields.includes(field)) return words.has(String(value)) && String(value).toLowerCase();
    return typeof value === 'string' && /At$|^timestamp$|^window|^covered/.test(field) && time.test(value)
      ? value.replace('.000Z', 'Z').replace(/(\.\d{3})Z/, '$1000Z')
      : value;
  };
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, write(field, shown[field], name)]));
}

/** An event as the wire has it: what no producer told of its scope and window is not there. */
function toWireEvent(shown: Readonly<Record<string, unknown>>) {
  const { scope, window_start, window_end, ...event } = toWire(eventFields, shown);
  if (scope === null && window_start === null && window_end === null) return event;
  return { ...toWire(eventFields, shown), scope: scope ?? 'live' };
}

const userCount = 4;
let server: TestServer;
const users: string[] = [];

/** What ends of runs tell in their metadata. */
const told = [
  { inserted: 5, updated: 1, batch_id: 'a', types: ['steps', 'heart_rate'], workouts_saved: 2, sleep_saved: 0 },
  {
    params: {
      workouts: { success: false, error: 'HTTPException 502' },
      data_247: { success: true, sleep: 4, spo2: 0 },
    },
  },
  {
    inserted: 38,
    trace_id: '7c1e09ab',
    params: { workouts: { success: 3 }, data_247: { success: false, error: 'x' } },
  },
];

const eventDraft = fc.record(
  {
    runId: fc.integer({ min: 1, max: 120 }).map((number) => `run_${number}`),
    provider: fc.constantFrom('oura', 'garmin', 'whoop'),
    source: fc.constantFrom(...sourceWords).map((word) => word.toUpperCase()),
    stage: fc.constantFrom(...stageWords).map((word) => word.toUpperCase()),
    status: fc.constantFrom(...statusWords, 'in_progress', 'in_progress').map((word) => word.toUpperCase()),
    message: fc.constantFrom(null, '', 'Größe · 🌙', 'a\u2028b\u0085c\n"', '2026-03-14T07:00:00.000Z'),
    progress: fc.constantFrom(null, 0, 1, 1 / 3, 0.5),
    itemsProcessed: fc.option(fc.nat(1000)),
    itemsTotal: fc.option(fc.nat(1000)),
    error: fc.constantFrom(null, 'boom'),
    primaryUserId: fc.option(fc.uuid()),
    scope: fc.constantFrom(null, 'LIVE', 'HISTORICAL'),
    windowStart: fc.option(fc.date({ min: new Date('2025-01-01'), max: new Date('2025-07-01'), noInvalidDate: true })),
    windowEnd: fc.option(fc.date({ min: new Date('2025-06-01'), max: new Date('2026-01-01'), noInvalidDate: true })),
    metadata: fc.constantFrom({}, ...told, { a: { b: [1, null, 'x'] } }, { at: '2026-03-14T07:00:00.000Z', 'ü"': 1.5 }),
    startedAt: fc.option(fc.date({ min: new Date('2026-01-01'), max: new Date('2026-02-01'), noInvalidDate: true })),
    endedAt: fc.option(fc.date({ min: new Date('2026-01-01'), max: new Date('2026-02-01'), noInvalidDate: true })),
    timestamp: fc.nat(20).map((second) => new Date(Date.UTC(2026, 0, 1, 0, 0, second, (second * 100) % 1000))),
  },
  { requiredKeys: ['runId', 'provider', 'source', 'stage', 'status', 'timestamp'] },
);

beforeAll(async () => {
  server = await startServer();
  const logs = fc.sample(fc.array(eventDraft, { minLength: 150, maxLength: 400, size: 'max' }), {
    numRuns: userCount,
    seed: 4,
  });
  for (const log of logs) {
    const userId = await server.user();
    users.push(userId);
    await server.record(...log.map((event) => ({ userId, ...event })));
  }
});
afterAll(() => server.close());

/** Mostly left out: together they would match nothing. */
const word = (known: readonly string[]) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, fc.constantFrom(...known));
const filter = { provider: word(['oura', 'garmin', 'nobody']), source: word(sourceWords), status: word(statusWords) };
const eventFilter = { ...filter, run_id: word(['run_1', 'run_2', 'run_x']) };
const limit = (max: number) => fc.option(fc.integer({ min: 1, max }), { nil: undefined });
const user = fc.integer({ min: 0, max: userCount - 1 });
const after = fc.option(fc.integer({ min: 0, max: 150 }), { nil: undefined });

const request = fc.oneof(
  fc.record({ kind: fc.constant('recent'), user, limit: limit(200), after, ...eventFilter }),
  fc.record({ kind: fc.constant('runs'), user, limit: limit(200) }),
  fc.record({
    ...{ kind: fc.constant('history'), user, limit: limit(200), scope: word(scopeWords) },
    ...{ provider: word(['oura', 'garmin', 'nobody']), since: word(['2026-01-01T00:00:00.012Z']) },
    ...{ covered_from: word(['2025-03-01T00:00:00Z']), covered_to: word(['2025-04-01T00:00:00Z']) },
  }),
  fc.record({ kind: fc.constant('run'), run: fc.integer({ min: 1, max: 120 }).map((number) => `run_${number}`) }),
  fc.record({ kind: fc.constant('all runs'), user: fc.option(user), limit: limit(600), ...filter }),
  fc.record({ kind: fc.constant('stream'), user, replay: limit(200), after, ...eventFilter }),
);
interface Wish {
  readonly kind: 'recent' | 'runs' | 'history' | 'run' | 'all runs' | 'stream';
  readonly user: number | null;
  readonly run?: string;
  readonly scope?: string;
  readonly since?: string;
  readonly covered_from?: string;
  readonly covered_to?: string;
  readonly limit?: number;
  readonly replay?: number;
  readonly after?: number;
  readonly provider?: string;
  readonly source?: string;
  readonly status?: string;
  readonly run_id?: string;
}

const paths = {
  recent: (userId: string) => `/users/${userId}/sync/recent`,
  runs: (userId: string) => `/users/${userId}/sync/runs`,
  history: (userId: string) => `/users/${userId}/sync/history`,
  run: () => '/sync/history',
  'all runs': () => '/sync/runs',
  stream: (userId: string) => `/users/${userId}/sync/stream`,
} as const;

/** The request as REST is asked. */
function urlOf({ kind, user: index, run, ...parameters }: Wish): string {
  if (run !== undefined) return `${server.url}/api/v1/sync/history/${run}`;
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, String(value));
  if (kind === 'all runs' && index !== null) query.set('user_id', users[index] ?? '');
  return `${server.url}/api/v1${paths[kind](users[index ?? 0] ?? '')}?${query}`;
}

/** The request as GraphQL is asked, and its answer as the wire would have it. */
async function viaGraphql(wish: Wish): Promise<unknown[]> {
  const userId = users[wish.user ?? 0];
  const list = (value: string | undefined, change = (text: string) => text) => (value ? [change(value)] : null);
  const upper = (text: string) => text.toUpperCase();
  const words = {
    providers: list(wish.provider),
    sources: list(wish.source, upper),
    statuses: list(wish.status, upper),
  };
  const ofEvents = { ...words, runId: wish.run_id ?? null };
  const query = async (text: string, variables: object) => (await server.graphql(text, variables)).data;
  if (wish.kind === 'runs') {
    const data = await query(
      `query ($id: UUID!, $n: Int!) { user(id: $id) { syncRuns(first: $n) { edges { node { ${select(runFields)} } } } } }`,
      { id: userId, n: wish.limit ?? 20 },
    );
    return data.user.syncRuns.edges.map(({ node }: { node: Record<string, unknown> }) => toWire(runFields, node));
  }
  if (wish.kind === 'history') {
    const scopes = list(wish.scope, upper);
    const { since, covered_from: coveredFrom, covered_to: coveredTo } = wish;
    const data = await query(
      `query ($id: UUID!, $n: Int!, $filter: SyncHistoryFilter) { user(id: $id) {
        syncHistory(first: $n, filter: $filter) { edges { node { ${select(historyFields)} } } } } }`,
      {
        ...{ id: userId, n: wish.limit ?? 20 },
        filter: { scopes, providers: words.providers, since, coveredFrom, coveredTo },
      },
    );
    return data.user.syncHistory.edges.map(({ node }: { node: Record<string, unknown> }) =>
      toWire(historyFields, node),
    );
  }
  if (wish.kind === 'run') {
    const data = await query(
      `query ($id: ID!) { syncRun(runId: $id) { ${select(historyFields)} dataTypes { ${select(dataTypeFields)} } } }`,
      { id: wish.run },
    );
    const { syncRun: run } = data;
    if (!run?.openedAt) return [{ detail: 'Sync run not found' }];
    const dataTypes = run.dataTypes.map((each: Record<string, unknown>) => toWire(dataTypeFields, each));
    return [{ ...toWire(historyFields, run), data_types: dataTypes }];
  }
  if (wish.kind === 'all runs') {
    const runs: unknown[] = [];
    const wanted = wish.limit ?? 50;
    for (let cursor: string | null = null; ; ) {
      const data: { syncRuns: { edges: { node: Record<string, unknown> }[]; pageInfo: Record<string, never> } } =
        await query(
          `query ($after: String, $filter: SyncRunFilter) { syncRuns(first: 200, after: $after, filter: $filter) {
            edges { node { ${select(runFields)} } } pageInfo { hasNextPage endCursor } } }`,
          { after: cursor, filter: { ...words, ...(wish.user !== null && { userId }) } },
        );
      runs.push(...data.syncRuns.edges.map(({ node }) => toWire(runFields, node)));
      if (!data.syncRuns.pageInfo.hasNextPage) return runs.slice(0, wanted);
      cursor = data.syncRuns.pageInfo.endCursor ?? null;
    }
  }
  if (wish.kind === 'recent') {
    const part =
      wish.after === undefined
        ? `nodes: recentSyncEvents(limit: $n, filter: $filter) { ${select(eventFields)} }`
        : `page: syncEvents(first: $n, after: "${wish.after}", filter: $filter) { edges { node { ${select(eventFields)} } } }`;
    const data = await query(`query ($id: UUID!, $n: Int!, $filter: SyncEventFilter) { user(id: $id) { ${part} } }`, {
      id: userId,
      n: wish.limit ?? 50,
      filter: ofEvents,
    });
    const nodes: Record<string, unknown>[] =
      data.user.nodes ?? data.user.page.edges.map(({ node }: { node: unknown }) => node).reverse();
    return nodes.map(toWireEvent);
  }
  const stream = await openSseStream(server.url, {
    query: `subscription ($id: UUID!, $after: SyncCursor, $n: Int, $filter: SyncEventFilter) {
      syncEvents(userId: $id, after: $after, replayLast: $n, filter: $filter) { caughtUp events { ${select(eventFields)} } } }`,
    variables: {
      id: userId,
      ...(wish.after === undefined ? { n: wish.replay ?? 20 } : { after: String(wish.after) }),
      filter: ofEvents,
    },
    headers: server.admin,
  });
  const events: unknown[] = [];
  for (let caughtUp = false; !caughtUp; ) {
    const { syncEvents } = (await stream.next())?.data ?? {};
    events.push(...syncEvents.events.map(toWireEvent));
    caughtUp = syncEvents.caughtUp;
  }
  await stream.close();
  return events;
}

/** The answer of REST; of a stream what it shows until it has reached the end of the log. */
async function viaRest(wish: Wish): Promise<string> {
  if (wish.kind === 'run') return `[${(await rest(urlOf(wish), { headers: server.admin })).text}]`;
  if (wish.kind !== 'stream') return (await rest(urlOf(wish), { headers: server.admin })).text;
  const { data } = await server.graphql(`{ user(id: "${users[wish.user ?? 0]}") { headCursor } }`);
  const stream = await openEventStream(urlOf(wish), server.admin);
  const events: unknown[] = [];
  for (let id: string | undefined; id !== data.user.headCursor; ) {
    const frame = await stream.next();
    id = frame?.id;
    if (frame?.event) events.push(frame.data);
  }
  stream.close();
  return JSON.stringify(events);
}

/** Numbers lose the `.0` with which a float is written. */
const normal = (json: string) => JSON.stringify(JSON.parse(json));

test('each REST answer equals the GraphQL answer that it wraps', async () => {
  let filled = 0;
  await fc.assert(
    fc.asyncProperty(request as fc.Arbitrary<Wish>, async (wish) => {
      const expected = await viaGraphql(wish);
      if (expected.length > 0) filled += 1;
      expect(normal(await viaRest(wish))).toBe(JSON.stringify(expected));
    }),
    { numRuns: 200, seed: 4 },
  );
  expect(filled).toBeGreaterThan(100);
}, 120_000);
