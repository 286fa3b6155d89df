import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { openDatabase } from '../../../src/db/open-database.ts';
import { WakeUps } from '../../../src/instances/wake-ups.ts';
import { inPieces } from '../../../src/lib/in-pieces.ts';
import { between, pick, type Random } from '../../../src/lib/random.ts';
import { defaultLimits } from '../../../src/limits.ts';
import { Users } from '../../../src/users/users.ts';
import { anEvent } from '../../support/server.ts';
import { graphql, type ServerProcess, startProcess } from '../../support/server-process.ts';
import type { Line } from './promises.ts';
import type { Sizes } from './sizes.ts';

const STREAMS_PER_SOCKET = 25;
/** Users of whom one request of a writer tells at most, and of whom one query reads the log. */
const USERS_PER_REQUEST = 20;
/** As many events of a user as one list shows; writers stop before. */
const EVENTS_PER_USER = 100;
/** How soon followers have everything once the last writer has its answer. */
const CATCH_UP_MS = 10_000;
/** Of the server's own lines, those that tell of a lock that was met. */
const BUSY = /SQLITE_BUSY|SQLITE_LOCKED|SocketTimeout|P1008|The database is busy/;

const FOLLOW = 'subscription ($userId: UUID!) { syncEvents(userId: $userId, after: "0") { events { sequence } } }';
const RECORD = `mutation ($events: [SyncEventInput!]!) {
  recordSyncEvents(input: { events: $events }) { results { event { userId sequence } } }
}`;

interface CrowdParts {
  readonly name: string;
  readonly databaseUrl: string;
  /** Where users are followed, and where others record. */
  readonly server: ServerProcess;
  readonly recording: readonly [ServerProcess, ...ServerProcess[]];
  readonly random: Random;
  readonly sizes: Sizes;
}

/** A process of its own on a file, which it shares with nobody. */
export async function proveCrowdOnFile(parts: Pick<CrowdParts, 'random' | 'sizes'>): Promise<Line> {
  const server = await startProcess({ LOG_LEVEL: 'error' });
  try {
    return await proveCrowd({
      ...parts,
      name: 'on SQLite',
      databaseUrl: server.databaseUrl,
      server,
      recording: [server],
    });
  } finally {
    await server.remove();
  }
}

/**
 * Each of very many users is followed by somebody, while writers record for all of them and others ask. It goes on for
 * longer than it takes until all followed logs have been looked at.
 */
export async function proveCrowd({ name, databaseUrl, server, recording, random, sizes }: CrowdParts): Promise<Line> {
  const userIds = await makeUsers(databaseUrl, sizes.crowd);
  const crowd = followEach(server, userIds);
  const acknowledged = new Map(userIds.map((userId) => [userId, 0]));
  const wrong = new Set(crowd.wrong);
  let missing = 0;
  let requests = 0;
  let slowestMs = 0;
  let isOver = false;

  /** A request as any client sends it: timed, and only told of where it fails. */
  async function ask(instance: ServerProcess, query: string, variables: object) {
    const begun = performance.now();
    try {
      return await graphql(instance, query, variables);
    } catch (error) {
      wrong.add(`a request has failed: ${error}`);
      return undefined;
    } finally {
      slowestMs = Math.max(slowestMs, performance.now() - begun);
      requests += 1;
    }
  }

  /** Of a user, the newest event that was acknowledged has to be there whoever asks. */
  async function checkHead(userId: string): Promise<void> {
    const known = acknowledged.get(userId) ?? 0;
    const answer = await ask(server, 'query ($id: UUID!) { user(id: $id) { headCursor } }', { id: userId });
    if (answer && Number(answer.user.headCursor) < known) missing += 1;
  }

  async function write(own: readonly string[]): Promise<void> {
    for (let round = 0; !isOver && round < EVENTS_PER_USER; round += 1)
      for (let at = 0; at < own.length && !isOver; ) {
        const some = own.slice(at, at + between(random, 1, USERS_PER_REQUEST));
        at += some.length;
        const events = some.map((userId) => ({ ...anEvent, userId }));
        const answer = await ask(pick(random, recording), RECORD, { events });
        for (const { event } of answer?.recordSyncEvents.results ?? []) acknowledged.set(event.userId, event.sequence);
        if (some[0]) await checkHead(some[0]);
      }
  }

  await crowd.began;
  const writers = Array.from({ length: sizes.writers }, (_, writer) =>
    write(userIds.filter((_, at) => at % sizes.writers === writer)),
  );
  await wait(sizes.crowdMs);
  isOver = true;
  await Promise.all(writers);
  const behind = () => userIds.filter((userId) => crowd.seen(userId) < (acknowledged.get(userId) ?? 0)).length;
  const lastAt = performance.now();
  while (behind() > 0 && performance.now() - lastAt < CATCH_UP_MS) await wait(20);
  const catchUpMs = performance.now() - lastAt;
  if (behind() > 0) wrong.add(`${behind()} followers have not seen everything`);
  missing += await countUnread(server, acknowledged);
  await crowd.leave();

  const busy = server.output.filter((line) => BUSY.test(line)).length;
  for (const line of server.output.slice(0, 3)) wrong.add(`the server has said: ${line}`);
  if (slowestMs > sizes.crowdAnswerMs) wrong.add(`a request took ${slowestMs.toFixed(0)} ms`);
  for (const each of crowd.wrong) wrong.add(each);
  const total = [...acknowledged.values()].reduce((sum, count) => sum + count, 0);
  return {
    promise: `${sizes.crowd.toLocaleString('en')} followed users ${name}`,
    outcome: {
      faults: 0,
      cuts: 0,
      acknowledged: total,
      sessions: userIds.length,
      seen: userIds.reduce((sum, userId) => sum + crowd.seen(userId), 0),
      missing,
      duplicated: 0,
      outOfOrder: crowd.outOfOrder,
      worstCatchUpMs: catchUpMs,
      wrong: [...wrong],
    },
    more: { requests, 'slowest answer (ms)': slowestMs.toFixed(0), 'locks met': busy },
  };
}

async function makeUsers(databaseUrl: string, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => randomUUID());
  const database = await openDatabase(databaseUrl);
  const users = new Users({ database, wakeUps: new WakeUps(), limits: defaultLimits, clock: Date.now });
  await users.ensure(new Map(ids.map((id) => [id, new Date()])));
  await database.close();
  return ids;
}

/** A stream on the log of each user, some of them on one socket. */
function followEach({ url, headers }: ServerProcess, userIds: readonly string[]) {
  const heads = new Map<string, number>();
  const wrong = new Set<string>();
  let outOfOrder = 0;
  let begun = 0;
  let leaving = false;
  let allBegan = () => {};
  const began = new Promise<void>((resolve) => {
    allBegan = resolve;
  });
  const fail = (reason: string) => {
    wrong.add(reason);
    allBegan(); // not all of them will
  };
  const clients = [...inPieces(userIds, STREAMS_PER_SOCKET)].map((some) => {
    const client = createClient({
      url: `${url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { ...headers },
      retryAttempts: 0,
    });
    for (const userId of some)
      client.subscribe<{ syncEvents: { events: readonly { sequence: number }[] } }>(
        { query: FOLLOW, variables: { userId } },
        {
          next({ data }) {
            if (!heads.has(userId) && ++begun === userIds.length) allBegan();
            for (const { sequence } of data?.syncEvents.events ?? []) {
              if (sequence !== (heads.get(userId) ?? 0) + 1) outOfOrder += 1;
              heads.set(userId, sequence);
            }
            if (!heads.has(userId)) heads.set(userId, 0);
          },
          error: (error) => fail(`a stream has failed: ${error instanceof Error ? error : JSON.stringify(error)}`),
          complete: () => !leaving && fail('a stream has ended'),
        },
      );
    return client;
  });
  return {
    began,
    wrong,
    get outOfOrder() {
      return outOfOrder;
    },
    seen: (userId: string) => heads.get(userId) ?? 0,
    async leave() {
      leaving = true;
      await Promise.all(clients.map((client) => client.dispose()));
    },
  };
}

/** Of the acknowledged events of all users, those that reading the logs does not show. */
async function countUnread(server: ServerProcess, acknowledged: ReadonlyMap<string, number>): Promise<number> {
  let missing = 0;
  for (const some of inPieces([...acknowledged.keys()], USERS_PER_REQUEST)) {
    const fields = some.map(
      (id, at) => `u${at}: user(id: "${id}") { syncEvents(first: ${EVENTS_PER_USER}) { edges { node { sequence } } } }`,
    );
    const answer = await graphql(server, `{ ${fields.join(' ')} }`);
    for (const [at, id] of some.entries()) {
      const { edges } = answer[`u${at}`].syncEvents;
      const stored = new Set(edges.map((edge: { node: { sequence: number } }) => edge.node.sequence));
      for (let sequence = 1; sequence <= (acknowledged.get(id) ?? 0); sequence += 1)
        if (!stored.has(sequence)) missing += 1;
    }
  }
  return missing;
}
