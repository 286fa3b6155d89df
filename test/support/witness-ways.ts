import { pick, type Random } from '../../src/lib/random.ts';
import { openEventStream } from './event-stream.ts';
import { readLog, toStep } from './log-reader.ts';
import type { Headers } from './server.ts';
import { graphql } from './server-process.ts';
import { streamTransports } from './streams.ts';

/** Where one session of a follower begins. */
interface Place {
  readonly url: string;
  readonly userId: string;
  /** Of somebody who may read every log. */
  readonly headers: Headers;
  /** Of the user, whose token has nothing but a `sub`. */
  readonly asUser: Headers;
  /** As many events have been seen; all of them, where a log is followed. */
  readonly seen: number;
  readonly random: Random;
  /** True once nothing is recorded any more. */
  readonly isLate: boolean;
}

/** One session: what it shows, by the numbers of the events. */
export interface Sight {
  /** What the next payload shows; nothing once the stream is over. @throws Contradiction, or anything when it is cut */
  next(): Promise<readonly number[] | undefined>;
  /** Whether nothing can be missed from now on. */
  readonly hasBegun: boolean;
  close(): Promise<void>;
}

/** A payload says what must not be. */
export class Contradiction extends Error {}

/** A run has so many events, one after the other, and then no more: no later change hides that one was missed. */
const EVENTS_OF_RUN = 3;

export function runOf(event: number): string {
  return `run ${Math.floor((event - 1) / EVENTS_OF_RUN)}`;
}

/** The numbers of the first so many events of a run. */
function eventsOf(runId: string, count: number): number[] {
  const first = Number(runId.slice('run '.length)) * EVENTS_OF_RUN + 1;
  return Array.from({ length: count }, (_, index) => first + index);
}

/** The ways to follow what a witness records: GraphQL with a key, REST and the changes of runs as the user. */
export const ways = { log: followLog, rest: followRest, runs: followRuns } as const;

export type Way = keyof typeof ways;

async function followLog({ url, userId, headers, asUser, seen, random }: Place): Promise<Sight> {
  const open = pick(random, [streamTransports.websocket, streamTransports.sse]);
  const credential = random() < 0.5 ? headers : asUser;
  const stream = await open(url, {
    query: readLog,
    variables: { userId, after: String(seen) },
    headers: credential,
  });
  return {
    hasBegun: true,
    async next() {
      const result = await stream.next();
      if (!result) return undefined;
      const { events, reset } = toStep(result);
      if (reset) throw new Contradiction(`reset ${reset.reason}`);
      return events.map(({ sequence }) => sequence);
    },
    close: () => stream.close(),
  };
}

/** As a browser's `EventSource` does it, with the token in the URL, or as a backend does. */
async function followRest({ url, userId, asUser, seen, random }: Place): Promise<Sight> {
  const path = `${url}/api/v1/users/${userId}/sync/stream`;
  const token = asUser.authorization?.replace('Bearer ', '');
  const stream = await (random() < 0.5
    ? openEventStream(`${path}?replay=200&access_token=${token}`, { 'last-event-id': String(seen) })
    : openEventStream(`${path}?after=${seen}`, asUser));
  return {
    hasBegun: true,
    async next() {
      const frame = await stream.next();
      if (!frame || frame.event === 'sync.end') return undefined;
      if (frame.event === 'sync.reset') throw new Contradiction(`reset ${JSON.stringify(frame.data)}`);
      return frame.event === 'sync.status' ? [Number(frame.id)] : [];
    },
    close: async () => stream.close(),
  };
}

const runsNow = '{ syncRuns(first: 200) { edges { node { runId eventCount } } } }';
const runChanges = 'subscription { syncRunChanges { run { runId eventCount } } }';
const changedRuns = 'subscription { syncRuns { runId eventCount } }';

interface SeenRun {
  readonly runId: string;
  readonly eventCount: number;
}

/**
 * As the documentation says: once the stream has begun, a list of the runs as they are, and from then on what the stream
 * shows. `syncRuns` has no sign that it has begun, but for the first run that it shows: it needs one that changes.
 */
async function followRuns({ url, asUser, random, isLate }: Place): Promise<Sight> {
  const open = pick(random, [streamTransports.websocket, streamTransports.sse]);
  const query = isLate || random() < 0.5 ? runChanges : changedRuns;
  const stream = await open(url, { query, headers: asUser });
  let hasBegun = false;
  return {
    get hasBegun() {
      return hasBegun;
    },
    async next() {
      const result = await stream.next();
      if (!result) return undefined;
      if (result.errors?.[0]) throw new Error(result.errors[0].message);
      const run: SeenRun | null = query === runChanges ? result.data.syncRunChanges.run : result.data.syncRuns;
      const seen = run ? [run] : [];
      if (!hasBegun) {
        const { syncRuns } = await graphql({ url, headers: asUser }, runsNow);
        seen.push(...syncRuns.edges.map(({ node }: { node: SeenRun }) => node));
      }
      hasBegun = true;
      return seen.flatMap(({ runId, eventCount }) => eventsOf(runId, eventCount));
    },
    close: () => stream.close(),
  };
}
