import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { between, type Random } from '../../../src/lib/random.ts';
import { anEvent } from '../../support/server.ts';
import { newUser, type ServerProcess } from '../../support/server-process.ts';
import { runCampaign } from './campaign.ts';
import type { Fleet, Postgres } from './fleet.ts';
import type { Line } from './promises.ts';
import type { Sizes } from './sizes.ts';

/** What became of the requests to an instance that was told to stop. */
interface Load {
  /** Ids of events that were answered with their numbers. */
  readonly answered: string[];
  /** Ids of events whose request was never read. */
  readonly refused: string[];
  /** Requests that the instance has begun to read, and that were not done. */
  readonly failed: string[];
  readonly problems: string[];
}

const CLIENTS = 8;
/** How long a stop may take. */
const STOP_MS = 10_000;

/** SIGTERM under load: whatever the instance has begun to do is answered, and streams go on at another one. */
export async function proveGracefulStops(parts: {
  readonly fleet: Fleet;
  readonly postgres: Postgres;
  readonly random: Random;
  readonly sizes: Sizes;
}): Promise<Line> {
  const { fleet, postgres, random, sizes } = parts;
  const { headers } = fleet.instances[0];
  const userId = await newUser({ url: fleet.urls[0], headers });
  const load: Load = { answered: [], refused: [], failed: [], problems: [] };
  let slowestMs = 0;
  const outcome = await runCampaign({
    urls: fleet.urls,
    headers,
    databaseUrl: fleet.databaseUrl,
    random,
    events: Math.min(sizes.events, 300 * sizes.stops),
    writers: sizes.writers,
    followers: Math.ceil(sizes.followers / 2),
    faults: sizes.stops,
    async inject(fault) {
      const instance = fleet.instances[fault % 3] ?? fleet.instances[0];
      const stopping = new AbortController();
      const clients = Array.from({ length: CLIENTS }, () => loadUntil(stopping.signal, instance, userId, load));
      await wait(between(random, 200, 600));
      const begun = performance.now();
      const { code, signal } = await instance.end('SIGTERM');
      slowestMs = Math.max(slowestMs, performance.now() - begun);
      if (code !== 0) load.problems.push(`the process ended with ${code ?? signal}`);
      stopping.abort();
      await Promise.all(clients);
      await instance.start();
    },
  });
  const database = new URL(fleet.databaseUrl).pathname.slice(1);
  const rows = await postgres.query('SELECT id FROM sync_event WHERE user_id = $1', [userId], database);
  const stored = new Set(rows.map(({ id }) => id));
  const lost = load.answered.filter((id) => !stored.has(id));
  const forgotten = load.refused.filter((id) => stored.has(id));
  return {
    promise: 'graceful stops (SIGTERM) under load',
    outcome: {
      ...outcome,
      acknowledged: outcome.acknowledged + load.answered.length,
      missing: outcome.missing + lost.length,
      wrong: [
        ...outcome.wrong,
        ...load.problems,
        ...load.failed,
        ...(slowestMs > STOP_MS + sizes.busyMs ? ['a stop takes too long'] : []),
        ...forgotten.map((id) => `${id} is stored, though its request was never read`),
      ],
    },
    more: {
      'requests answered': load.answered.length,
      'never accepted': load.refused.length,
      'accepted and failed': load.failed.length + lost.length,
      'slowest stop (ms)': Math.round(slowestMs),
    },
  };
}

/**
 * Each request has a connection of its own: one that is kept alive can always be closed as a request sets out. It asks
 * to be told when the server has begun with it (RFC 9110, 10.1.1), because only then it counts as accepted.
 */
async function loadUntil(signal: AbortSignal, { url, headers }: ServerProcess, userId: string, load: Load) {
  while (!signal.aborted) {
    const id = randomUUID();
    const body = JSON.stringify({
      query:
        'mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) { results { duplicate } } }',
      variables: { events: [{ ...anEvent, id, userId }] },
    });
    const post = request(`${url}/graphql`, {
      method: 'POST',
      agent: false,
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        expect: '100-continue',
        ...headers,
      },
    });
    let accepted = false;
    post.once('continue', () => {
      accepted = true;
      post.end(body);
    });
    try {
      post.flushHeaders();
      const [response] = await once(post, 'response');
      let text = '';
      for await (const chunk of response) text += chunk;
      const { data } = JSON.parse(text);
      if (data) load.answered.push(id);
      else load.failed.push(`answered with ${text}`);
    } catch (error) {
      if (accepted) load.failed.push(`an accepted request ended with ${error}`);
      else load.refused.push(id);
      await wait(5);
    } finally {
      post.destroy();
    }
  }
}
