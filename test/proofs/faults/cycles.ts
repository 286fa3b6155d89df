import { request } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import WebSocket from 'ws';
import { between, pick, type Random } from '../../../src/lib/random.ts';
import { startInstances } from '../../support/instances.ts';
import type { Headers } from '../../support/server.ts';
import type { Postgres } from './fleet.ts';
import type { Line } from './promises.ts';
import type { Sizes } from './sizes.ts';

const CLIENTS = 20;
/** How many of them hear the first payload, before they are killed some time later. The others are killed at any moment. */
const LISTENING = 0.75;
/** How long they wait for it. */
const PATIENCE_MS = 10_000;
/** How many connections one instance may keep to the database: its pool, and the doorbell. */
const CONNECTIONS = 11;
/** What the heap may grow by: caches that fill, and next to nothing for each client. In bytes. */
const HEAP_GROWTH = { base: 15e6, each: 500 };
const query = 'subscription ($userId: UUID!) { syncEvents(userId: $userId, after: "0") { cursor events { id } } }';

/** Clients connect, subscribe and are gone at whatever moment; afterwards nothing of them is left. */
export async function proveCycles(parts: {
  readonly postgres: Postgres;
  readonly random: Random;
  readonly sizes: Sizes;
}): Promise<Line> {
  const { postgres, random, sizes } = parts;
  const database = 'cycles';
  const settings = { KEEP_ALIVE_SECONDS: '1' }; // connections that recorded, and wait, are nobody's who was killed
  const instances = await startInstances(await postgres.createDatabase(database), { settings });
  const [app] = instances.apps;
  const userId = await instances.user();
  await instances.record(app, userId, 50);
  const heapBefore = heapAfterCollection();
  let left = sizes.cycles;
  let heard = 0;
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      while (left-- > 0) {
        const life = { listens: random() < LISTENING, ms: between(random, 0, 150) };
        const cut = pick(random, [cutSse, cutWebSocket]);
        if (await cut(app.url, instances.admin, userId, life)) heard += 1;
      }
    }),
  );
  const busy = `SELECT count(*)::int AS n FROM pg_stat_activity
    WHERE datname = $1 AND (state <> 'idle' OR wait_event_type = 'Lock')`;
  const gauges = async () => ({
    'followed logs': app.services.log.followedLogs,
    'open sockets': socketsOf(app.url),
    'busy connections': Number((await postgres.query(busy, [database]))[0].n),
  });
  let gauge = await gauges();
  for (let waited = 0; Object.values(gauge).some(Boolean) && waited < 15_000; waited += 100) {
    await wait(100);
    gauge = await gauges();
  }
  const connections = await postgres.query('SELECT 1 FROM pg_stat_activity WHERE datname = $1', [database]);
  const heapGrowth = heapAfterCollection() - heapBefore;
  await instances.close();
  const wrong = Object.entries(gauge)
    .filter(([, value]) => value > 0)
    .map(([name, value]) => `${name}: ${value}`);
  if (heard < sizes.cycles / 2) wrong.push(`only ${heard} clients have heard anything`);
  if (globalThis.gc && heapGrowth > HEAP_GROWTH.base + HEAP_GROWTH.each * sizes.cycles)
    wrong.push(`the heap has grown by ${heapGrowth} bytes`);
  if (connections.length > 2 * CONNECTIONS) wrong.push(`${connections.length} connections to the database`);
  return {
    promise: 'clients that connect and are killed leave nothing',
    outcome: {
      faults: sizes.cycles,
      cuts: 0,
      acknowledged: 50,
      sessions: sizes.cycles,
      seen: heard,
      missing: 0,
      duplicated: 0,
      outOfOrder: 0,
      worstCatchUpMs: 0,
      wrong,
    },
    more: { ...gauge, 'heap growth (MB)': (heapGrowth / 1e6).toFixed(1) },
  };
}

/** Without `--expose-gc` it is what the heap happens to be. */
function heapAfterCollection(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

/** Only Node's own list of handles has the sockets of the server's end, and it has no types. */
function socketsOf(url: string): number {
  const { _getActiveHandles } = process as unknown as { _getActiveHandles(): { localPort?: number }[] };
  return _getActiveHandles.call(process).filter(({ localPort }) => localPort === Number(new URL(url).port)).length;
}

interface Life {
  /** Does it last until the first payload? */
  readonly listens: boolean;
  /** How long it lasts, or goes on after that. */
  readonly ms: number;
}

async function live({ listens, ms }: Life, heard: Promise<unknown>): Promise<void> {
  if (listens) await Promise.race([heard, wait(PATIENCE_MS, undefined, { ref: false })]);
  await wait(ms);
}

/** Resolves with whether a payload came. */
async function cutSse(url: string, headers: Headers, userId: string, life: Life): Promise<boolean> {
  let heard = false;
  const post = request(`${url}/graphql`, {
    method: 'POST',
    agent: false,
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
  });
  post.on('error', () => {});
  post.on('response', (response) => {
    response.on('error', () => {});
    response.on('data', (bytes) => {
      if (!String(bytes).includes('event: next')) return;
      heard = true;
      post.emit('heard');
    });
  });
  const hearing = new Promise((resolve) => post.once('heard', resolve));
  post.end(JSON.stringify({ query, variables: { userId } }));
  await live(life, hearing);
  const closed = new Promise((resolve) => post.once('close', resolve));
  post.destroy();
  await closed;
  return heard;
}

async function cutWebSocket(url: string, headers: Headers, userId: string, life: Life): Promise<boolean> {
  let heard = false;
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  socket.on('error', () => {});
  socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload: headers })));
  socket.on('message', (text) => {
    const { type } = JSON.parse(String(text));
    if (type === 'next') {
      heard = true;
      socket.emit('heard');
    }
    if (type === 'connection_ack' && socket.readyState === WebSocket.OPEN)
      socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables: { userId } } }));
  });
  await live(life, new Promise((resolve) => socket.once('heard', resolve)));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.terminate();
  await closed;
  return heard;
}
