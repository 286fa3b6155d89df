import { once } from 'node:events';
import { request } from 'node:http';
import { closed, connectTo } from '../../support/connection.ts';
import { initMessage, openRawSocket } from '../../support/raw-socket.ts';
import { inLanes } from './lanes.ts';
import type { Target } from './target.ts';
import { within } from './within.ts';

/** Ways to connect and be killed. */
const ways: readonly ((target: Target) => Promise<void>)[] = [
  async ({ url }) => {
    const socket = await connected(url);
    socket.resetAndDestroy();
  },
  async ({ url, admin }) => {
    const body = '{"query":"{ users(first: 20) { edges { node { syncRuns { totalCount } } } } }"}';
    const socket = await connected(url);
    const head = `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Api-Key: ${admin['x-api-key']}`;
    socket.write(`${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`, () => socket.resetAndDestroy());
    await closed(socket);
  },
  async ({ url, admin }) => {
    const socket = await connected(url);
    const head = `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Api-Key: ${admin['x-api-key']}`;
    socket.write(`${head}\r\nContent-Length: 1000\r\n\r\n{"query":"{`, () => socket.destroy());
    await closed(socket);
  },
  async ({ url, admin, userIds: [userId] }) => {
    const socket = await openRawSocket(url);
    socket.send(initMessage(admin));
    await socket.next();
    const query = `subscription { syncEvents(userId: "${userId}", replayLast: 1) { cursor } }`;
    socket.send({ type: 'subscribe', id: '1', payload: { query } });
    await socket.next();
    socket.cut();
  },
  async ({ url, admin, userIds: [userId] }) => {
    const { hostname, port } = new URL(url);
    const path = `/api/v1/users/${userId}/sync/stream?replay=1`;
    const sent = request({ hostname, port, path, headers: admin, agent: false }).end();
    const [response] = await once(sent, 'response');
    await once(response, 'data');
    response.on('error', () => {});
    sent.destroy();
  },
];

/** Connects and is killed so many times, in each way. @returns what went wrong otherwise */
export async function killConnections(target: Target, cycles: number, patienceMs: number): Promise<string[]> {
  const wrong = new Set<string>();
  const turns = Array.from({ length: cycles }, (_, index) => index);
  await inLanes(turns, 20, async (index) => {
    const way = index % ways.length;
    const cycle = ways[way]?.(target);
    if (cycle) await within(patienceMs, cycle).catch((error: Error) => wrong.add(`way ${way + 1}: ${error.message}`));
  });
  return [...wrong];
}

async function connected(url: string) {
  const socket = connectTo(url);
  await once(socket, 'connect');
  return socket;
}
