import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createOnServer, type ScratchPostgres, startPostgres } from '../../prisma/scratch-postgres.ts';
import type { Limits } from '../../src/limits.ts';
import { openLog } from '../support/log-reader.ts';
import { memoryLog } from '../support/memory-log.ts';
import { rest } from '../support/rest-client.ts';
import { anEvent, startServer, type TestServer } from '../support/server.ts';
import { createSmallDisk, hasSmallDisk } from '../support/small-disk.ts';
import { streamTransports } from '../support/streams.ts';

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const createToken = 'mutation ($userId: UUID!) { createUserToken(userId: $userId) { token } }';
const isReadable = 'query ($id: UUID!) { user(id: $id) { headCursor } }';
const recordEvent =
  'mutation ($event: SyncEventInput!) { recordSyncEvents(input: { events: [$event] }) { results { duplicate } } }';

let postgres: ScratchPostgres;

beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

/** A database that can be kept from being written. */
interface Place {
  readonly url: string;
  drop(): Promise<void>;
  breakWrites(): Promise<void>;
  mendWrites(): Promise<void>;
}

async function onServer<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url);
  await client.connect();
  return use(client).finally(() => client.end());
}

/** Each session of the server on a database ends, as those of a server do that is demoted. */
const endSessions = (client: pg.Client, name: string) =>
  client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);

const places: Record<string, () => Promise<Place>> = {
  async 'a Postgres that only reads'() {
    const { url, drop } = await createOnServer(postgres.url);
    const name = new URL(url).pathname.slice(1);
    const set = (value: string) => onServer(postgres.url, (client) => client.query(`ALTER DATABASE ${name} ${value}`));
    return {
      ...{ url, drop },
      async breakWrites() {
        await set('SET default_transaction_read_only = on');
        await onServer(postgres.url, (client) => endSessions(client, name));
      },
      // The sessions that only read go on: another server is the primary now.
      mendWrites: async () => void (await set('RESET default_transaction_read_only')),
    };
  },
  async 'a Postgres that has taken rights away'() {
    const { url, drop } = await createOnServer(postgres.url);
    const role = `role_${randomUUID().replaceAll('-', '')}`;
    await onServer(url, async (client) => {
      await client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'role'`);
      await client.query(`GRANT ALL ON SCHEMA public TO ${role}`);
    });
    const own = Object.assign(new URL(url), { username: role, password: 'role' }).href;
    const change = (statement: string) => onServer(url, (client) => client.query(statement));
    return {
      url: own,
      drop,
      breakWrites: async () =>
        void (await change(`REVOKE INSERT, UPDATE ON "user", sync_event, api_key, audit_entry FROM ${role}`)),
      mendWrites: async () => void (await change(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`)),
    };
  },
};

/** Until nothing more can be written: what is there may have some room left. */
async function exhaust(url: string): Promise<void> {
  await onServer(url, async (client) => {
    for (;;)
      try {
        await client.query('INSERT INTO filler SELECT repeat(md5(random()::text), 50) FROM generate_series(1, 50)');
      } catch {
        return;
      }
  });
}

if (hasSmallDisk()) {
  places['a Postgres on a full disk'] = async () => {
    const disk = createSmallDisk(64);
    const name = `small_${randomUUID().replaceAll('-', '')}`;
    await onServer(postgres.url, async (client) => {
      await client.query(`CREATE TABLESPACE ${name} LOCATION '${disk.folder}'`).catch(async () => {
        const { chownSync, mkdirSync, statSync } = await import('node:fs');
        const folder = join(disk.folder, 'space');
        mkdirSync(folder);
        const { uid, gid } = statSync(postgres.dataFolder);
        chownSync(folder, uid, gid);
        await client.query(`CREATE TABLESPACE ${name} LOCATION '${folder}'`);
      });
      await client.query(`CREATE DATABASE ${name} TABLESPACE ${name}`);
    });
    const url = Object.assign(new URL(postgres.url), { pathname: `/${name}` }).href;
    return {
      url,
      async drop() {
        await onServer(postgres.url, async (client) => {
          await client.query(`DROP DATABASE ${name} WITH (FORCE)`);
          await client.query(`DROP TABLESPACE ${name}`);
        });
        disk.remove();
      },
      async breakWrites() {
        await onServer(url, (client) => client.query('CREATE TABLE filler (text text)'));
        disk.fill();
        await exhaust(url);
      },
      async mendWrites() {
        disk.free();
      },
    };
  };
  places['a SQLite file on a full disk'] = async () => {
    const disk = createSmallDisk(4);
    return {
      url: `file:${join(disk.folder, 'synclog.db')}`,
      drop: async () => disk.remove(),
      breakWrites: async () => disk.fill(),
      mendWrites: async () => disk.free(),
    };
  };
}

describe.each(Object.entries(places))('on %s', (_, createPlace) => {
  async function brokenServer(limits: Partial<Limits> = {}) {
    const place = await createPlace();
    const { logger, lines, about } = memoryLog();
    const server = await startServer({
      database: place,
      settings: { OPEN_WEARABLES_WEBHOOK_SECRET: secret },
      logger,
      limits,
    });
    onTestFinished(() => server.close());
    const userId = await server.user();
    await server.record({ userId });
    await place.breakWrites();
    return { place, server, userId, lines, about };
  }

  /** As many recordings as what is left of the room takes. */
  async function untilRefused(server: TestServer, userId: string): Promise<void> {
    const event = { ...anEvent, userId, metadata: { text: 'x'.repeat(5_000) } };
    await expect.poll(async () => (await server.graphql(recordEvent, { event })).status, { interval: 0 }).not.toBe(200);
  }

  test('what writes is UNAVAILABLE on every door, what reads goes on, and all is well by itself', async () => {
    const { place, server, userId, lines, about } = await brokenServer();
    await untilRefused(server, userId);
    const { admin } = server;
    const json = { ...admin, 'content-type': 'application/json' };
    const event = { ...anEvent, userId, metadata: { text: 'x'.repeat(20_000) } };

    const answer = await server.graphql(recordEvent, { event });
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
    expect(answer.errors).toMatchObject([{ extensions: { code: 'UNAVAILABLE' } }]);

    const wire = { run_id: 'r', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };
    const overRest = await fetch(`${server.url}/api/v1/users/${userId}/sync/events`, {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ ...wire, metadata: event.metadata }),
    });
    expect([overRest.status, overRest.headers.get('retry-after')]).toEqual([503, '1']);

    const delivery = JSON.stringify({
      type: 'sync.started',
      data: { user_id: userId, provider: 'oura', source: 'pull', run_id: 'w', metadata: event.metadata },
    });
    const at = new Date();
    const delivered = await fetch(`${server.url}/api/v1/webhooks/open-wearables`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'svix-id': 'msg_1',
        'svix-timestamp': String(Math.floor(at.getTime() / 1000)),
        'svix-signature': new Webhook(secret).sign('msg_1', at, delivery),
      },
      body: delivery,
    });
    expect([delivered.status, delivered.headers.get('retry-after')]).toEqual([503, '1']);

    const reader = await openLog(streamTransports.websocket, { url: server.url, headers: admin }, { userId });
    onTestFinished(() => reader.close());
    expect(await reader.step()).toBeDefined();
    expect((await server.graphql(isReadable, { id: userId })).status).toBe(200);

    const ready = await rest(`${server.url}/readyz`);
    expect(ready).toMatchObject({ status: 503, body: { status: 'unavailable' } });
    expect((await rest(`${server.url}/healthz`)).status).toBe(200);

    await place.mendWrites();
    await expect.poll(async () => (await rest(`${server.url}/readyz`)).status).toBe(200);
    await expect.poll(async () => (await server.graphql(recordEvent, { event })).status).toBe(200);
    expect(about('the database cannot be written')).toHaveLength(1);
    expect(about('the database can be written again')).toHaveLength(1);
    expect(lines.filter((line) => line.includes('stack') || line.includes('unexpected'))).toEqual([]);
    expect((await server.graphql(isReadable, { id: userId })).status).toBe(200);
  });

  test('tokens for users are made, so that readers stay, and are counted once that can be written', async () => {
    const { place, server, userId } = await brokenServer({ auditCountMs: 10 });
    await untilRefused(server, userId);
    for (let made = 0; made < 3; made += 1) {
      const { data, errors } = await server.graphql(createToken, { userId });
      expect(errors).toEqual([]);
      const { token } = data.createUserToken;
      expect((await server.graphql(isReadable, { id: userId }, { authorization: `Bearer ${token}` })).status).toBe(200);
    }
    await place.mendWrites();
    await expect
      .poll(async () => (await server.graphql('{ auditLog { edges { node { act count } } } }')).data.auditLog.edges)
      .toContainEqual({ node: { act: 'USER_TOKENS_MADE', count: 3 } });
  });

  test('users and API keys that cannot be stored are UNAVAILABLE, too', async () => {
    const { place, server, userId } = await brokenServer();
    await untilRefused(server, userId);
    const name = 'n'.repeat(100);
    for (const [mutation, variables] of [
      ['mutation ($id: UUID!) { upsertUser(input: { id: $id }) { id } }', () => ({ id: randomUUID() })],
      [
        'mutation ($name: String!) { createApiKey(input: { name: $name, scopes: [READ] }) { secret } }',
        () => ({ name }),
      ],
    ] as const) {
      await expect
        .poll(async () => (await server.graphql(mutation, variables())).status, { interval: 0 })
        .not.toBe(200);
      const { status, headers, errors } = await server.graphql(mutation, variables());
      expect([status, headers.get('retry-after')], errors[0]?.message).toEqual([503, '1']);
      expect(errors).toMatchObject([{ extensions: { code: 'UNAVAILABLE' } }]);
    }
    await place.mendWrites();
    await expect
      .poll(async () => (await server.graphql(recordEvent, { event: { ...anEvent, userId } })).status)
      .toBe(200);
  });
});

describe('a Postgres that answers and lets nobody in', () => {
  test.each([
    ['has another password for us', "ALTER ROLE $role PASSWORD 'another'", "ALTER ROLE $role PASSWORD 'role'"],
    ['lets our user not log in', 'ALTER ROLE $role NOLOGIN', 'ALTER ROLE $role LOGIN'],
    ['has no connection left for us', 'ALTER ROLE $role CONNECTION LIMIT 0', 'ALTER ROLE $role CONNECTION LIMIT -1'],
    [
      'closes the database',
      'ALTER DATABASE $name ALLOW_CONNECTIONS false',
      'ALTER DATABASE $name ALLOW_CONNECTIONS true',
    ],
    [
      'has the database under another name',
      'ALTER DATABASE $name RENAME TO $role',
      'ALTER DATABASE $role RENAME TO $name',
    ],
  ])('and %s: it is away until it is mended', async (_, change, mend) => {
    const { url, drop } = await createOnServer(postgres.url);
    const name = new URL(url).pathname.slice(1);
    const role = `role_${randomUUID().replaceAll('-', '')}`;
    const run = (statement: string) =>
      onServer(postgres.url, (client) => client.query(statement.replaceAll('$role', role).replaceAll('$name', name)));
    const endAndRun = async (statement: string) => {
      await onServer(postgres.url, (client) => endSessions(client, name));
      await run(statement);
    };
    await run("CREATE ROLE $role LOGIN PASSWORD 'role'");
    await run('ALTER DATABASE $name OWNER TO $role');
    const own = Object.assign(new URL(url), { username: role, password: 'role' }).href;
    const { logger, lines, about } = memoryLog();
    const server = await startServer({ database: { url: own, drop }, logger });
    onTestFinished(() => server.close());
    const userId = await server.user();

    // Nobody may be connected to a database that gets another name.
    await expect.poll(() => endAndRun(change).then(() => 'changed', String)).toBe('changed');
    await onServer(postgres.url, (client) => endSessions(client, name));
    const event = { ...anEvent, userId };
    for (const [query, variables] of [
      [isReadable, { id: userId }],
      [recordEvent, { event }],
    ] as const)
      expect((await server.graphql(query, variables)).status).toBe(503);
    expect(await rest(`${server.url}/readyz`)).toMatchObject({ status: 503, body: { status: 'unavailable' } });

    await run(mend);
    await expect.poll(async () => (await server.graphql(recordEvent, { event })).status).toBe(200);
    await expect.poll(async () => (await rest(`${server.url}/readyz`)).status).toBe(200);
    expect(about('the database is back')).toHaveLength(1);
    expect(lines.filter((line) => line.includes('stack') || line.includes("'role'"))).toEqual([]);
  });
});
