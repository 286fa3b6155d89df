import { setTimeout as wait } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { claimsWith, signWithSecret } from '../../support/identity-provider.ts';
import { send } from '../../support/raw-requests.ts';
import { graphql, newUser, type ServerProcess, startProcess } from '../../support/server-process.ts';
import type { Secret } from './judge.ts';

/** What a server under attack takes of the machine, and what it has open, once its garbage is collected. */
export interface Inventory {
  readonly heapUsed: number;
  readonly rss: number;
  readonly sockets: number;
  readonly streams: number;
  /** Answers that are kept to be given again, which is memory well used. */
  readonly kept: number;
}

export type Headers = Readonly<Record<string, string>>;

/** A real server with people and events in it, and everything by which somebody may show who they are. */
export interface Target {
  readonly url: string;
  /** Of nobody, a user, and keys that may read and that may do everything. */
  readonly credentials: readonly (readonly [name: string, headers: Headers])[];
  readonly admin: Headers;
  /** Whose id anybody may ask for; the first has the token. */
  readonly userIds: readonly [string, ...string[]];
  readonly runIds: readonly [string, ...string[]];
  /** What is in its settings and must not be in an answer. */
  readonly secrets: readonly Secret[];
  readonly pid: number;
  /** Is it still the process that was started? */
  isAlive(): boolean;
  /** Lines of its log. */
  readonly output: readonly string[];
  take(): Promise<Inventory>;
  /** The same, once nothing is open any more, or after so long. */
  takeAtRest(patienceMs: number): Promise<Inventory>;
  remove(): Promise<void>;
}

export const webhookSecret = `whsec_${Buffer.from('a signing secret of webhooks').toString('base64')}`;
/** What stands in events of others than the user who has a token. */
export const anothersWords: Secret = { name: "another's words", text: 'planted words of another person' };
const jwtSecret = 'planted: the secret by which tokens are signed';

/** Bounds of sizes are as shipped; what counts or puts off requests would hide what becomes of them. */
const settings = {
  NODE_ENV: 'production',
  LOG_LEVEL: 'warn',
  JWT_SECRET: jwtSecret,
  MAX_STREAMS: '10000',
  KEEP_ALIVE_SECONDS: '5', // what it is to be is the operator's, and a proof waits for it
  OPEN_WEARABLES_WEBHOOK_SECRET: webhookSecret,
  NODE_OPTIONS: `--import tsx --import ${pathToFileURL(`${import.meta.dirname}/report-memory.ts`)}`,
};

export async function startTarget(changed: Readonly<Record<string, string>> = {}): Promise<Target> {
  const server = await startProcess({ ...settings, ...changed });
  try {
    return await furnish(server);
  } catch (error) {
    await server.remove();
    throw error;
  }
}

async function furnish(server: ServerProcess): Promise<Target> {
  const { url, pid = 0 } = server;
  const token = await signWithSecret(jwtSecret, claimsWith({ scope: 'read write admin' }));
  const operator = { url, headers: { authorization: `Bearer ${token}` } };
  const admin = { 'x-api-key': await newKey(operator, ['READ', 'WRITE', 'ADMIN']) };
  const reader = { 'x-api-key': await newKey(operator, ['READ']) };
  const userIds = await Promise.all([newUser(operator), newUser(operator), newUser(operator)]);
  const [ada] = userIds;
  const events = userIds.flatMap((userId, n) =>
    ['STARTED', 'FETCHING', 'COMPLETED'].map((stage, step) => ({
      ...{
        userId,
        runId: `run ${n}`,
        provider: 'oura',
        source: 'PULL',
        stage,
        message: n === 0 ? `Step ${step}` : anothersWords.text,
      },
      ...{ status: stage === 'COMPLETED' ? 'SUCCESS' : 'IN_PROGRESS', metadata: { data_247: { sleep: 3 } } },
    })),
  );
  await graphql(operator, record, { events });
  const made = await graphql(
    operator,
    'mutation ($id: UUID!) { createUserToken(userId: $id, expiresInSeconds: 86400) { token } }',
    {
      id: ada,
    },
  );
  const user = { authorization: `Bearer ${made.createUserToken.token}` };

  const take = async (): Promise<Inventory> => {
    const before = server.output.length;
    process.kill(pid, 'SIGUSR2');
    let report: string | undefined;
    while (report === undefined) {
      await wait(20);
      report = server.output.slice(before).find((line) => line.startsWith('{"hostile"'));
    }
    const { body: metrics } = await send(url, { method: 'GET', path: '/metrics', headers: admin });
    const gauge = (name: string) => {
      const values = [...metrics.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))].map(([, value]) =>
        Number(value),
      );
      if (values.length === 0) throw new Error(`There is no metric ${name}`);
      return values.reduce((sum, value) => sum + value, 0);
    };
    return {
      ...JSON.parse(report).hostile,
      streams: gauge('synclog_open_streams'),
      kept: gauge('synclog_kept_answer_bytes'),
    };
  };
  return {
    url,
    admin,
    credentials: [
      ['nobody', {}],
      ['user', user],
      ['reader', reader],
      ['admin', admin],
    ],
    userIds: userIds as [string, ...string[]], // three, see above
    runIds: ['run 0', 'run 1', 'run 2'],
    secrets: [
      { name: 'the secret of tokens', text: jwtSecret },
      { name: 'the secret of webhooks', text: webhookSecret },
      { name: 'the folder of the database', text: server.databaseUrl.replace('file:', '') },
      { name: 'the folder of the server', text: process.cwd() },
      { name: "another's key", text: admin['x-api-key'] },
      { name: "another's key", text: reader['x-api-key'] },
      { name: "a user's token", text: made.createUserToken.token },
    ],
    pid,
    isAlive: () => server.pid === pid && lives(pid),
    output: server.output,
    take,
    async takeAtRest(patienceMs) {
      const until = performance.now() + patienceMs;
      for (;;) {
        const found = await take();
        if ((found.sockets === 0 && found.streams === 0) || performance.now() > until) return found;
        await wait(100);
      }
    },
    remove: () => server.remove(),
  };
}

const record =
  'mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) { results { duplicate } } }';

async function newKey(operator: Parameters<typeof graphql>[0], scopes: readonly string[]): Promise<string> {
  const query = 'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret } }';
  return (await graphql(operator, query, { input: { name: 'hostile', scopes } })).createApiKey.secret;
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
