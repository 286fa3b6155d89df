import { initMessage, openRawSocket, type RawSocket } from '../../support/raw-socket.ts';
import { graphql } from '../../support/server-process.ts';
import type { Line } from './line.ts';
import type { Target } from './target.ts';
import { within } from './within.ts';

const subscribe = (id: string, query: string) => ({ type: 'subscribe', id, payload: { query } });

/** Each code of the protocol with what a client does to be closed with it. */
const provocations: Readonly<Record<number, readonly ((socket: RawSocket, target: Target) => unknown)[]>> = {
  4400: [
    (socket) => socket.send('no JSON'),
    (socket) => socket.send({ type: 'nope' }),
    (socket) => socket.send({ type: 'connection_ack' }),
    (socket) => socket.send(Buffer.from([0xff, 0x00])),
    (socket, target) => begin(socket, target).send({ type: 'subscribe', id: '', payload: { query: '{ __typename }' } }),
  ],
  4401: [(socket) => socket.send(subscribe('1', '{ __typename }'))],
  4403: [
    (socket) => socket.send(initMessage({ 'x-api-key': 'nobody has this one' })),
    (socket) => socket.send(initMessage({ authorization: 'Bearer a.b.c' })),
  ],
  4406: [() => {}],
  4408: [() => {}],
  4409: [
    (socket, target) => {
      const stream = subscribe('1', 'subscription { syncRunChanges { began } }');
      begin(socket, target).send(stream);
      socket.send(stream);
    },
  ],
  4429: [
    (socket, target) => begin(socket, target).send(initMessage(target.admin)),
    (socket, target) => {
      begin(socket, target);
      for (let sent = 0; sent < 2_000; sent += 1) socket.send({ type: 'ping' });
    },
  ],
};

const mistakes = [
  '{',
  '{ nope }',
  '{ user(id: 1) { id } }',
  'subscription { nope }',
  'subscription { syncEvents(userId: "0b6e2a54-7d0c-4f5e-9a51-3c1f6f2ad001") { cursor } }',
  `{ ${'a: __typename '.repeat(1_000)} }`,
  `{ users(search: ${'['.repeat(5_000)} }`,
  '{ users(first: 100) { edges { node { a: recentSyncEvents(limit: 200) { id } b: recentSyncEvents(limit: 200) { id } } } } }',
];

/** Every close code is provoked, and who behaves is disturbed by none of it, on another socket or on the same. */
export async function proveCloseCodes(target: Target, patienceMs: number): Promise<Line> {
  const wrong: string[] = [];
  const [userId] = target.userIds;
  const neighbour = begin(await openRawSocket(target.url), target);
  neighbour.send(
    subscribe('stream', `subscription { syncEvents(userId: "${userId}", replayLast: 1) { events { runId } } }`),
  );
  await neighbour.next(); // the acknowledgement
  await neighbour.next(); // what is there

  /** Who follows the log on the socket sees what is recorded now, and nothing else. */
  async function isUndisturbed(what: string, runId: string): Promise<void> {
    await graphql({ url: target.url, headers: target.admin }, record, { userId, runId });
    const seen = await within(patienceMs, neighbour.next()).catch((error: Error) => error.message);
    if (!JSON.stringify(seen).includes(`"${runId}"`))
      wrong.push(`${what}: its neighbour is told ${JSON.stringify(seen)}`);
  }

  let provoked = 0;
  for (const [code, ways] of Object.entries(provocations))
    for (const [way, provoke] of ways.entries()) {
      const protocol = code === '4406' ? 'graphql-ws' : 'graphql-transport-ws';
      const socket = await openRawSocket(target.url, { protocol });
      await provoke(socket, target);
      const closed = await within(patienceMs, socket.closed).catch((error: Error) => ({ code: error.message }));
      if (String(closed.code) !== code) wrong.push(`${code} is provoked, and the socket ends with ${closed.code}`);
      await isUndisturbed(`${code}, way ${way + 1}`, `after ${code} ${way}`);
      provoked += 1;
    }
  for (const [index, query] of mistakes.entries()) {
    const id = `mistake ${index}`;
    neighbour.send(subscribe(id, query));
    for (let isOver = false; !isOver; ) {
      const answer = await within(patienceMs, neighbour.next()).catch((error: Error) => ({ id, type: error.message }));
      isOver = answer.type !== 'next';
      if (answer.id !== id || !/^(next|error|complete)$/.test(String(answer.type)))
        wrong.push(`${query.slice(0, 80)} is answered with ${JSON.stringify(answer)}`);
    }
    await isUndisturbed(query.slice(0, 80), `after ${id}`);
  }
  neighbour.close();
  return {
    promise: 'a WebSocket ends with the code that says why, and disturbs no other operation',
    figures: { codes: Object.keys(provocations).length, provoked, 'bad operations beside a stream': mistakes.length },
    wrong,
  };
}

const record = `mutation ($userId: UUID!, $runId: ID!) { recordSyncEvents(input: { events: [
  { userId: $userId, runId: $runId, provider: "oura", source: PULL, stage: FETCHING, status: IN_PROGRESS }
] }) { results { duplicate } } }`;

function begin(socket: RawSocket, { admin }: Target): RawSocket {
  socket.send(initMessage(admin));
  return socket;
}
