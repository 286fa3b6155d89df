import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createOnServer, startPostgres } from '../../prisma/scratch-postgres.ts';
import { hasEarlierRelease, layOutEarlierRelease } from '../support/earlier-server.ts';
import { openRestLogStream } from '../support/rest-log-stream.ts';
import { anEvent } from '../support/server.ts';
import { graphql, newUser, type ServerProcess, startProcess } from '../support/server-process.ts';
import { StreamCut, streamTransports, type TestStream } from '../support/streams.ts';

const record = `mutation ($events: [SyncEventInput!]!) {
  recordSyncEvents(input: { events: $events }) { results { event { sequence } } }
}`;
const subscription = `subscription ($userId: UUID!, $after: SyncCursor) {
  syncEvents(userId: $userId, after: $after) { cursor events { sequence } }
}`;

/** The ways to follow a log from a cursor. */
const ways = {
  websocket: ({ url, headers }: ServerProcess, userId: string, after: string) =>
    streamTransports.websocket(url, { query: subscription, variables: { userId, after }, headers }),
  sse: ({ url, headers }: ServerProcess, userId: string, after: string) =>
    streamTransports.sse(url, { query: subscription, variables: { userId, after }, headers }),
  rest: ({ url, headers }: ServerProcess, userId: string, after: string) =>
    openRestLogStream(url, { userId, after }, headers),
};

/** Follows a log on one server, and from its end on the other one, as a client does behind a proxy. */
function follow(servers: readonly ServerProcess[], userId: string, begin: (typeof ways)[keyof typeof ways]) {
  const seen: number[] = [];
  let isDone = false;
  const following = (async () => {
    let cursor = '0';
    for (const server of servers) {
      const stream: TestStream = await begin(server, userId, cursor);
      try {
        for (let step = await stream.next(); step && !isDone; step = await stream.next()) {
          const payload = step.data?.syncEvents;
          if (!payload) break;
          seen.push(...payload.events.map(({ sequence }: { sequence: number }) => sequence));
          cursor = payload.cursor;
        }
      } catch (error) {
        if (!(error instanceof StreamCut)) throw error;
      }
      await stream.close();
    }
  })();
  return {
    seen,
    async end() {
      isDone = true;
      await following;
    },
  };
}

const upTo = (head: number) => Array.from({ length: head }, (_, index) => index + 1);

describe.runIf(hasEarlierRelease())('beside a server of the earlier release', () => {
  test('one of this release migrates, both record and stream without a loss, and streams of the former go on here', {
    timeout: 240_000,
  }, async () => {
    const postgres = await startPostgres();
    onTestFinished(() => postgres.stop());
    const { url: DATABASE_URL } = await createOnServer(postgres.url);
    const start = async (release?: string) => {
      const server = await startProcess({ DATABASE_URL }, release);
      onTestFinished(() => server.remove());
      return server;
    };
    const earlier = await start(layOutEarlierRelease());
    const userId = await newUser(earlier);
    let head = 0;
    const recordOn = async (server: ServerProcess, times: number) => {
      for (let time = 0; time < times; time += 1) {
        const events = [{ ...anEvent, userId, id: randomUUID() }];
        const { results } = (await graphql(server, record, { events })).recordSyncEvents;
        head += 1;
        expect(results[0].event.sequence).toBe(head);
      }
    };
    const makeKey = async (server: ServerProcess) => {
      const made = 'mutation { createApiKey(input: { name: "key", scopes: [READ] }) { apiKey { id } secret } }';
      const { apiKey, secret } = (await graphql(server, made)).createApiKey;
      return { id: apiKey.id as string, secret: secret as string };
    };
    const ofEarlier = await makeKey(earlier);
    await recordOn(earlier, 5);

    const present = await start();
    const followers = Object.values(ways).flatMap((begin) => [
      follow([earlier, present], userId, begin),
      follow([present], userId, begin),
    ]);
    const allSeen = () => expect.poll(() => followers.map(({ seen }) => seen)).toEqual(followers.map(() => upTo(head)));
    for (let turn = 0; turn < 10; turn += 1) {
      await recordOn(earlier, 2);
      await allSeen();
      await recordOn(present, 2);
      await allSeen();
    }

    // What the earlier release knows nothing of.
    const keys = [ofEarlier, await makeKey(earlier), await makeKey(present)];
    const statusOf = async ({ url }: ServerProcess, secret: string) =>
      (await fetch(`${url}/api/v1/sync/runs`, { headers: { 'x-api-key': secret } })).status;
    for (const server of [earlier, present])
      for (const { secret } of keys) expect(await statusOf(server, secret)).toBe(200);
    const late = await newUser(earlier);
    await newUser(present);
    const client = new pg.Client(DATABASE_URL);
    await client.connect();
    onTestFinished(() => client.end());
    const rows = async (query: string) => (await client.query({ text: query, rowMode: 'array' })).rows;
    expect(await rows('SELECT id, prefix IS NULL FROM api_key ORDER BY created_at')).toEqual(
      keys.map(({ id }, index) => [id, index < 2]),
    );
    expect(await rows('SELECT act FROM audit_entry ORDER BY at')).toEqual([['api_key_created'], ['user_created']]);

    await earlier.end('SIGTERM');
    await recordOn(present, 5);
    await allSeen();
    const { user } = await graphql(present, 'query ($id: UUID!) { user(id: $id) { headCursor } }', { id: late });
    expect(user).toEqual({ headCursor: '0' });
    await recordOn(present, 1);
    for (const follower of followers) await Promise.all([follower.end(), recordOn(present, 1)]);
    const uses = () => rows('SELECT count(*)::int FROM api_key WHERE last_used_at IS NOT NULL');
    await present.end('SIGTERM');
    expect(await uses()).toEqual([[3]]);
  });
});
