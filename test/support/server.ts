import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { type App, type AppOptions, createApp } from '../../src/app.ts';
import type { Scope } from '../../src/auth/viewer.ts';
import { type Config, parseConfig } from '../../src/config.ts';
import type { Limits } from '../../src/limits.ts';
import { createMigrated, type TestDatabase } from './database.ts';

export const jwtSecret = 'a shared secret for tests, long enough';

/** What servers of tests are set to: tests ask as fast as they can, and share the machine and often the process with them. */
export const testSettings = {
  PORT: '0',
  JWT_SECRET: jwtSecret,
  RATE_LIMITS: '9999',
  LOAD_SHEDDING: 'off',
  MAX_STREAMS: '1000000',
} as const;

/** What timers take that are not to ring in a test, in milliseconds: the longest that Node keeps. */
const never = 2 ** 31 - 1;

/** For servers whose statements are counted: on a busy machine, what they do by themselves would be counted as well. */
const nothingByItself = {
  ...{ auditCountMs: never, checkpointMs: never, credentialPollMs: never, judgingPauseMs: never, keyUseMs: never },
  ...{ retentionPauseMs: never, slowPollMs: never },
} satisfies Partial<Limits>;

export interface Headers {
  readonly [name: string]: string;
}

/** What a GraphQL request answered. */
export interface Answer {
  readonly status: number;
  readonly headers: globalThis.Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers of any shape, and fail where it is another
  readonly data: any;
  readonly errors: readonly { message: string; path?: (string | number)[]; extensions: Record<string, unknown> }[];
}

/** The real server on a database of its own, with the requests that most tests make. */
export interface TestServer {
  readonly app: App;
  readonly url: string;
  readonly databaseUrl: string;
  /** Headers of a key with all scopes. */
  readonly admin: Headers;
  /** Sends an operation as POST; with the key of all scopes unless other headers are given. */
  graphql(query: string, variables?: object, headers?: Headers): Promise<Answer>;
  /** Headers of a new API key. */
  key(...scopes: Scope[]): Promise<Headers>;
  /** Headers of a token for one user. */
  userToken(userId: string, expiresInSeconds?: number): Promise<Headers>;
  /** A new user's id. */
  user(fields?: object): Promise<string>;
  /** Records events given by what is special about them; returns the results. @throws the first error */
  record(
    ...events: (Partial<Record<string, unknown>> & { userId: string })[]
  ): Promise<
    { duplicate: boolean; event: { id: string; sequence: number; cursor: string; late: boolean; runId: string } }[]
  >;
  /** Stops this server and starts another on the same database and port. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** An event's least content. */
export const anEvent = { runId: 'run_1', provider: 'oura', source: 'PULL', stage: 'FETCHING', status: 'IN_PROGRESS' };

/**
 * Starts a server on a free port and a database of the run's provider without a row, which `close` removes.
 * `settings` are environment variables. One whose statements are told does nothing by itself but what `limits` say.
 * @param options.database an empty one in its place.
 */
export async function startServer({
  settings = {},
  database,
  ...options
}: AppOptions & { settings?: Record<string, string>; database?: TestDatabase } = {}): Promise<TestServer> {
  const { url: databaseUrl, drop } = database ?? (await createMigrated());
  const config: Config = parseConfig({ ...testSettings, DATABASE_URL: databaseUrl, ...settings });
  const logger = pino({ level: 'silent' });
  const limits = { ...(options.onStatement && nothingByItself), ...options.limits };
  let app = await createApp(config, { logger, ...options, limits });
  const key = async (...scopes: Scope[]) => {
    const { secret } = await app.services.keys.create({ name: scopes.join(), scopes, expiresAt: null });
    return { 'x-api-key': secret };
  };
  const admin = await key('read', 'write', 'admin');

  const server: TestServer = {
    get app() {
      return app;
    },
    get url() {
      return app.url;
    },
    databaseUrl,
    admin,
    key,
    async graphql(query, variables = {}, headers = admin) {
      const response = await fetch(`${app.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ query, variables }),
      });
      const { data, errors = [] } = await response.json();
      return { status: response.status, headers: response.headers, data, errors };
    },
    async userToken(userId, expiresInSeconds = 900) {
      const { data } = await server.graphql(
        'mutation ($userId: UUID!, $life: Int!) { createUserToken(userId: $userId, expiresInSeconds: $life) { token } }',
        { userId, life: expiresInSeconds },
      );
      return { authorization: `Bearer ${data.createUserToken.token}` };
    },
    async user(fields = {}) {
      const id = randomUUID();
      const { errors } = await server.graphql(
        'mutation ($input: UpsertUserInput!) { upsertUser(input: $input) { id } }',
        { input: { id, ...fields } },
      );
      if (errors[0]) throw new Error(errors[0].message);
      return id;
    },
    async record(...events) {
      const { data, errors } = await server.graphql(
        `mutation ($events: [SyncEventInput!]!) {
          recordSyncEvents(input: { events: $events }) {
            results { duplicate event { id sequence cursor late runId } }
          }
        }`,
        { events: events.map((event) => ({ ...anEvent, ...event })) },
      );
      if (errors[0]) throw new Error(errors[0].message);
      return data.recordSyncEvents.results;
    },
    async restart() {
      const { port } = new URL(app.url);
      await app.close();
      app = await createApp({ ...config, port: Number(port) }, { logger, ...options, limits });
      // `fetch` keeps connections, and learns only by trying which of them were the old server's.
      while (!(await fetch(`${app.url}/healthz`).catch(() => undefined)));
    },
    async close() {
      await app.close();
      await drop();
    },
  };
  return server;
}
