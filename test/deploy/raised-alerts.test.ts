import { randomUUID } from 'node:crypto';
import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import Libsql from 'libsql';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createOnServer, startPostgres } from '../../prisma/scratch-postgres.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import { defaultLimits } from '../../src/limits.ts';
import { openEventLog } from '../../src/log/event-log.ts';
import { connectTo } from '../support/connection.ts';
import { openEventStream } from '../support/event-stream.ts';
import { type FaultyRedis, hasRedis, startFaultyRedis } from '../support/faulty-redis.ts';
import { createEmitter, wireEvent } from '../support/open-wearables-emitter.ts';
import { hasPrometheus, type RunningPrometheus, startPrometheus } from '../support/prometheus.ts';
import { startServer, type TestServer } from '../support/server.ts';

/** The rules that operators have, with a second for each minute, and raised at once. */
const rules = readFileSync(join(import.meta.dirname, '../../deploy/prometheus/alerts.yaml'), 'utf8')
  .replaceAll(/\[\d+m\]/g, '[3s]')
  .replaceAll('offset 5m', 'offset 3s')
  .replaceAll(/^ +for: .*\n/gm, '');

const DAY_MS = 86_400_000;
/** Does something again and again until the test ends, and then waits for what is under way. */
function repeat(ms: number, work: () => Promise<unknown>): void {
  let working = Promise.resolve<unknown>(undefined);
  const repeating = setInterval(() => {
    working = Promise.allSettled([working, work()]);
  }, ms);
  onTestFinished(async () => {
    clearInterval(repeating);
    await working;
  });
}

const draft = { runId: 'r', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };

describe.runIf(hasPrometheus && hasRedis())('a Prometheus that scrapes real servers raises', () => {
  let prometheus: RunningPrometheus;
  let redis: FaultyRedis;
  const servers: Record<string, TestServer> = {};
  const closing: (() => unknown)[] = [];
  /** How far the clock of one server has jumped. */
  let aheadMs = 0;

  async function start(name: string, options: Parameters<typeof startServer>[0] = {}): Promise<TestServer> {
    const server = await startServer(options);
    servers[name] = server;
    closing.push(() => server.close());
    return server;
  }

  beforeAll(async () => {
    redis = await startFaultyRedis();
    closing.push(() => redis.stop());
    const postgres = await startPostgres();
    closing.push(() => postgres.stop());
    await start('crowded', { database: await createOnServer(postgres.url) });
    await start('well');
    await start('gone');
    await start('cut');
    await start('asked', {
      settings: { RATE_LIMITS: '1', REDIS_URL: 'redis://127.0.0.1:1' },
      limits: { serviceRate: { burst: 200, perSecond: 10 } },
    });
    await start('slow', { limits: { slowConsumerMs: 300, pageSize: 20 }, settings: { LOAD_SHEDDING: 'on' } });
    await start('unwoken', { limits: { slowPollMs: 4_000 } });
    await start('jumped', { clock: () => Date.now() + aheadMs });
    await start('fed', {
      settings: { OPEN_WEARABLES_REDIS_URL: redis.url },
      limits: { sourceRenewMs: 100, sourceTryMs: 50 },
    });
    prometheus = await startPrometheus(
      rules,
      Object.values(servers).map(({ url }) => new URL(url).host),
    );
    closing.push(() => prometheus.stop());
  });
  afterAll(async () => {
    for (const close of closing.reverse()) await close();
  });

  const of = (name: string): TestServer => servers[name] as TestServer; // started above

  /** Which alerts are raised of a server; those that are about several servers have no instance. */
  async function raised(name?: string): Promise<readonly string[]> {
    const instance = name && new URL(of(name).url).host;
    return (await prometheus.alerts()).filter((each) => each.instance === instance).map((each) => each.name);
  }

  const raises = (name: string | undefined, ...alerts: string[]) =>
    expect.poll(() => raised(name), { timeout: 40_000 }).toEqual(expect.arrayContaining(alerts));

  test('SynclogInternalErrors, SynclogLimitsHit and SynclogOutage', async () => {
    const server = of('asked');
    const { sources } = server.app.services;
    sources.list = async () => {
      throw new Error('broken');
    };
    const key = await server.key('read');
    repeat(500, () => server.graphql('{ sources { name } }'));
    repeat(100, () => Promise.all(Array.from({ length: 10 }, () => server.graphql('{ viewer { scopes } }', {}, key))));
    await raises('asked', 'SynclogInternalErrors', 'SynclogLimitsHit', 'SynclogOutage');
  });

  test('SynclogDown', async () => {
    await of('gone').app.close();
    await raises('gone', 'SynclogDown');
  });

  test('SynclogDatabaseAway and SynclogUnavailable', async () => {
    const server = of('cut');
    renameSync(server.databaseUrl.slice('file:'.length), `${server.databaseUrl.slice('file:'.length)}.old`);
    repeat(50, () => server.graphql('{ users(first: 1) { edges { cursor } } }'));
    await raises('cut', 'SynclogDatabaseAway', 'SynclogUnavailable');
  });

  test('SynclogPoolExhausted', async () => {
    const server = of('crowded');
    const holder = new pg.Client(server.databaseUrl);
    await holder.connect();
    onTestFinished(() => holder.end());
    await holder.query('BEGIN');
    await holder.query('LOCK TABLE sync_run IN ACCESS EXCLUSIVE MODE');
    let isRaised = false;
    onTestFinished(() => {
      isRaised = true;
    });
    const asking = Array.from({ length: 40 }, async () => {
      const query = 'query ($search: String!) { syncRuns(first: 1, filter: { search: $search }) { edges { cursor } } }';
      while (!isRaised) await server.graphql(query, { search: randomUUID() }).catch(() => {});
    });
    await raises('crowded', 'SynclogPoolExhausted');
    isRaised = true;
    await holder.query('ROLLBACK');
    await Promise.all(asking);
  });

  test('SynclogRetentionStands', async () => {
    aheadMs = 400 * DAY_MS;
    await of('jumped').app.services.retention.sweep();
    await raises('jumped', 'SynclogRetentionStands');
  });

  test('SynclogDeliveryLate and SynclogWakeUpsLost', async () => {
    const server = of('unwoken');
    const database = await openDatabase(server.databaseUrl);
    const elsewhere = openEventLog({ database, limits: defaultLimits, clock: Date.now, onError: () => {} });
    const ids = await Promise.all(Array.from({ length: 15 }, () => server.user()));
    for (const id of ids) {
      const stream = await openEventStream(`${server.url}/api/v1/users/${id}/sync/stream`, server.admin);
      onTestFinished(() => stream.close());
    }
    const record = () => elsewhere.record(ids.map((userId) => ({ ...draft, userId })));
    onTestFinished(async () => {
      await elsewhere.close();
      await database.close();
    });
    repeat(500, record);
    await raises('unwoken', 'SynclogDeliveryLate', 'SynclogWakeUpsLost');
  });

  test('SynclogQuarantine, SynclogRecordingsWait, SynclogSourceLate, SynclogSlow and SynclogSourceNotLive', {
    timeout: 120_000,
  }, async () => {
    const server = of('fed');
    const emitter = createEmitter(redis.url);
    onTestFinished(() => emitter.close());
    const userId = await server.user();
    await expect.poll(() => server.app.services.sources.opened.some(({ isLive }) => isLive)).toBe(true);
    await server.record({ userId }); // a rate is told of what was counted before
    const emitting = setInterval(() => void emitter.emitText(userId, `x ${randomUUID()}`), 200);
    await raises(undefined, 'SynclogQuarantine').finally(() => clearInterval(emitting));
    const other = new Libsql(server.databaseUrl.slice('file:'.length));
    other.exec('BEGIN IMMEDIATE');
    const { log } = server.app.services;
    const record = () => log.record([{ ...draft, userId }]);
    const first = record();
    await expect.poll(() => log.waitingRecordings).toBe(0); // it is in the transaction that waits for the lock
    await emitter.emit(wireEvent({ user_id: userId })); // not before, or the first one might wait for it
    const waiting = Array.from({ length: 600 }, record);
    const slow = Promise.all(Array.from({ length: 100 }, () => server.record({ userId }).catch(() => {})));
    const isRaised = Promise.all([raises('fed', 'SynclogSlow'), raises(undefined, 'SynclogSourceLate')]);
    await raises('fed', 'SynclogRecordingsWait');
    await isRaised;
    other.exec('COMMIT');
    other.close();
    await Promise.all([first, ...waiting, slow]);
    await redis.stop();
    await raises(undefined, 'SynclogSourceNotLive');
  });

  test('SynclogSlowConsumers', async () => {
    const server = of('slow');
    const userId = await server.user();
    const metadata = { filler: 'x'.repeat(60_000) };
    for (let count = 0; count < 4; count += 1)
      await server.record(...Array.from({ length: 50 }, () => ({ userId, metadata })));
    const [name = '', key = ''] = Object.entries(server.admin)[0] ?? [];
    for (let count = 0; count < 15; count += 1) {
      const socket = connectTo(server.url).pause();
      socket.write(`GET /api/v1/users/${userId}/sync/stream?after=0 HTTP/1.1\r\nHost: x\r\n${name}: ${key}\r\n\r\n`);
      onTestFinished(() => void socket.destroy());
    }
    await raises('slow', 'SynclogSlowConsumers');
  });

  test('SynclogEventLoopLate and SynclogCannotKeepUp, of a process that is held up, and nothing more of a server that is well', async () => {
    const holdUp = (ms: number) => {
      const until = performance.now() + ms;
      while (performance.now() < until);
    };
    const holding = setInterval(() => holdUp(350), 400);
    await raises('slow', 'SynclogEventLoopLate').finally(() => clearInterval(holding));
    repeat(3_000, async () => holdUp(1_200));
    await raises('slow', 'SynclogCannotKeepUp');
    const ofTheProcess = ['SynclogEventLoopLate', 'SynclogCannotKeepUp', 'SynclogSlow', 'SynclogDown'];
    expect((await raised('well')).filter((alert) => !ofTheProcess.includes(alert))).toEqual([]);
  });
});
