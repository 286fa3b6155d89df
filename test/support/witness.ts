import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { pick, type Random } from '../../src/lib/random.ts';
import { readLog, toStep } from './log-reader.ts';
import { anEvent, type Headers } from './server.ts';
import { graphql, newUser } from './server-process.ts';
import { streamTransports, type TestStream } from './streams.ts';

/** Records events on a log of its own and follows it at the same time, through whatever happens. */
export interface Witness {
  /** Ends, once everything that was acknowledged was seen. */
  stop(): Promise<{
    /** From the acknowledgement of an event to its arrival at the follower. */
    readonly worstMs: number;
    readonly medianMs: number;
    readonly acknowledged: number;
    readonly seen: number;
    readonly missing: number;
    readonly duplicated: number;
    readonly problems: readonly string[];
  }>;
  /** How often it has subscribed. */
  readonly sessions: number;
  /** Events that it has seen so far. */
  readonly seen: number;
}

export interface WitnessOptions {
  /** Of one of the instances, another one at each call. */
  readonly url: () => string;
  /** Where it follows, if elsewhere. */
  readonly followUrl?: () => string;
  readonly headers: Headers;
  readonly random: Random;
  /** Silence after which the follower takes its connection for dead; checkpoints come more often. */
  readonly silenceMs?: number;
}

const PROBE_PAUSE_MS = 50;

export async function startWitness(options: WitnessOptions): Promise<Witness> {
  const { url, followUrl = url, headers, random, silenceMs = 20_000 } = options;
  const userId = await untilDone(() => newUser({ url: url(), headers }));
  const acknowledgedAt: number[] = [];
  const seenAt: number[] = [];
  const problems: string[] = [];
  let stream: TestStream | undefined;
  let stopping = false;
  let sessions = 0;
  const isDone = () => stopping && seenAt.length >= acknowledgedAt.length;

  async function probe(): Promise<void> {
    while (!stopping) {
      const events = [{ ...anEvent, id: randomUUID(), userId }];
      const { recordSyncEvents } = await untilDone(() =>
        graphql(
          { url: url(), headers },
          'mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) { results { event { sequence } } } }',
          { events },
        ),
      );
      acknowledgedAt.push(performance.now());
      const { sequence } = recordSyncEvents.results[0].event;
      if (sequence !== acknowledgedAt.length) problems.push(`event ${acknowledgedAt.length} is number ${sequence}`);
      await wait(PROBE_PAUSE_MS);
    }
  }

  async function follow(): Promise<void> {
    while (!isDone()) {
      await session().catch(() => wait(20));
      await stream?.close().catch(() => {});
    }
  }

  async function session(): Promise<void> {
    const open = pick(random, [streamTransports.websocket, streamTransports.sse]);
    const variables = { userId, after: String(seenAt.length) };
    stream = await within(open(followUrl(), { query: readLog, variables, headers }));
    sessions += 1;
    while (!isDone()) {
      const result = await within(stream.next());
      if (!result) return;
      const { events, reset } = toStep(result);
      if (reset) problems.push(`reset ${reset.reason}`);
      for (const { sequence } of events) {
        seenAt.push(performance.now());
        if (sequence !== seenAt.length) problems.push(`place ${seenAt.length} shows event ${sequence}`);
      }
    }
  }

  /** Rejects when nothing comes: the connection may be a black hole. */
  function within<T>(promise: Promise<T>): Promise<T> {
    promise.catch(() => {});
    const end = new AbortController();
    const silence = wait(silenceMs, undefined, { signal: end.signal }).then(() => Promise.reject(new Error('silence')));
    silence.catch(() => {});
    return Promise.race([promise, silence]).finally(() => end.abort());
  }

  const following = follow();
  const probing = probe();
  return {
    get sessions() {
      return sessions;
    },
    get seen() {
      return seenAt.length;
    },
    async stop() {
      stopping = true;
      await probing;
      // It may wait for the next event, which does not come: let it look again.
      if (isDone()) await stream?.close().catch(() => {});
      await following;
      const delays = acknowledgedAt.map((at, index) => (seenAt[index] ?? Number.POSITIVE_INFINITY) - at);
      const [acknowledged, seen] = [acknowledgedAt.length, seenAt.length];
      return {
        worstMs: Math.max(0, ...delays),
        medianMs: Math.max(0, [...delays].sort((a, b) => a - b)[delays.length >> 1] ?? 0),
        acknowledged,
        seen,
        missing: Math.max(0, acknowledged - seen),
        duplicated: Math.max(0, seen - acknowledged),
        problems,
      };
    },
  };
}

async function untilDone<T>(work: () => Promise<T>): Promise<T> {
  for (;;)
    try {
      return await work();
    } catch {
      await wait(20);
    }
}
