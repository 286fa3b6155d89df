import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Random } from '../../src/lib/random.ts';
import { claimsWith, secondsFromNow, signWithSecret } from './identity-provider.ts';
import { anEvent, type Headers, jwtSecret } from './server.ts';
import { graphql } from './server-process.ts';
import { Contradiction, runOf, type Sight, type Way, ways } from './witness-ways.ts';

export interface Testimony {
  /** From the acknowledgement of an event to its arrival at a follower; infinite if it has never arrived. */
  readonly worstMs: number;
  /** The worst of each follower, by how it follows. */
  readonly worstByWay: Readonly<Record<Way, number>>;
  /** Of the log over GraphQL. */
  readonly medianMs: number;
  /** The longest time in which no recording was acknowledged, though it was tried again and again. */
  readonly longestRefusalMs: number;
  readonly acknowledged: number;
  /** How often its followers have subscribed. */
  readonly sessions: number;
  /** What all followers have seen. */
  readonly seen: number;
  readonly missing: number;
  readonly duplicated: number;
  readonly problems: readonly string[];
}

/**
 * Records events on a log of its own, and follows them at the same time through whatever happens: over GraphQL, over REST
 * and by the changes of their runs.
 */
export interface Witness {
  readonly userId: string;
  /** Ends, once everything that was acknowledged was seen, or is given up. */
  stop(): Promise<Testimony>;
  /** Events that were seen so far in the log. */
  readonly seen: number;
  /** Resolves once something more was recorded, and all followers have seen that; or after a minute. */
  caughtUp(): Promise<void>;
  /** Resolves when an event is recorded, and the next one not yet on its way. */
  rests(): Promise<void>;
}

export interface WitnessOptions {
  /** Of one of the instances, another one at each call. */
  readonly url: () => string;
  /** Where it follows, if elsewhere. */
  readonly followUrl?: () => string;
  readonly headers: Headers;
  readonly random: Random;
  /** Silence after which a follower takes its connection for dead; checkpoints come more often. */
  readonly silenceMs?: number;
}

const PROBE_PAUSE_MS = 50;
/** What has not arrived so long after the last event was recorded is missing. */
const GIVE_UP_MS = 60_000;
const A_YEAR_S = 365 * 86_400;

export async function startWitness(options: WitnessOptions): Promise<Witness> {
  const { url, followUrl = url, headers, random, silenceMs = 20_000 } = options;
  const userId = randomUUID();
  const claims = claimsWith({ sub: userId, scope: 'sync:self', exp: secondsFromNow(A_YEAR_S) });
  const asUser = { authorization: `Bearer ${await signWithSecret(jwtSecret, claims)}` };
  const acknowledgedAt: number[] = [];
  const problems: string[] = [];
  /** Who wants to know of the next rest. */
  const resting: (() => void)[] = [];
  let longestRefusalMs = 0;
  let stopping = false;
  /** Nothing more will be acknowledged: before that, whoever has seen everything may still have to see one more. */
  let isAllRecorded = false;
  let givenUp = false;
  const makeUser = 'mutation ($id: UUID!) { upsertUser(input: { id: $id }) { id } }';
  await untilDone(() => graphql({ url: url(), headers }, makeUser, { id: userId }));

  /** One follower of the witness's log. */
  class Follower {
    readonly way: Way;
    readonly seenAt = new Map<number, number>();
    sessions = 0;
    duplicated = 0;
    #sight: Sight | undefined;
    /** Where its session is, since when, and when that last brought anything, be it a heartbeat. */
    #session = { url: '', begunAt: 0, heardAt: 0 };

    constructor(way: Way) {
      this.way = way;
    }

    /** Whether its session shows whatever comes. */
    get hasBegun(): boolean {
      return this.#sight?.hasBegun === true;
    }

    get isDone(): boolean {
      return isAllRecorded && (givenUp || this.seenAt.size >= acknowledgedAt.length);
    }

    async follow(): Promise<void> {
      while (!this.isDone) {
        await this.#follow().catch((error) => {
          if (error instanceof Contradiction) problems.push(`${this.way}: ${error.message}`);
          return wait(20);
        });
        await this.leave();
      }
    }

    /** Ends the session. Whoever is not done begins another one. */
    async leave(): Promise<void> {
      await this.#sight?.close().catch(() => {});
    }

    /** What it waits for in vain, for whoever has to find out why. */
    get plight(): string {
      const { url, begunAt, heardAt } = this.#session;
      const [since, silent] = [begunAt, heardAt].map((at) => Math.round(performance.now() - at));
      return `${this.way}: event ${this.seenAt.size + 1} of ${acknowledgedAt.length} has not come on ${url}, in a session of ${since} ms that was last heard of ${silent} ms ago`;
    }

    async #follow(): Promise<void> {
      const url = followUrl();
      const now = performance.now();
      this.#session = { url, begunAt: now, heardAt: now };
      const place = { url, userId, headers, asUser, random, seen: this.seenAt.size, isLate: isAllRecorded };
      const opening = ways[this.way](place);
      this.#sight = await within(opening).catch((error) => {
        void opening.then((sight) => sight.close()).catch(() => {});
        throw error;
      });
      this.sessions += 1;
      while (!this.isDone) {
        const shown = await within(this.#sight.next());
        this.#session.heardAt = performance.now();
        if (!shown) return;
        for (const event of shown) this.#see(event);
      }
    }

    #see(event: number): void {
      const isRun = this.way === 'runs'; // a run shows all of its events again whenever it changes
      if (this.seenAt.has(event)) this.duplicated += isRun ? 0 : 1;
      else {
        this.seenAt.set(event, performance.now());
        if (!isRun && event !== this.seenAt.size)
          problems.push(`${this.way}: place ${this.seenAt.size} shows event ${event}`);
      }
    }

    /** From the acknowledgement of each event to its arrival. */
    get delays(): number[] {
      return acknowledgedAt.map((at, index) => (this.seenAt.get(index + 1) ?? Number.POSITIVE_INFINITY) - at);
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

  async function probe(): Promise<void> {
    while (!stopping) {
      const number = acknowledgedAt.length + 1;
      const events = [{ ...anEvent, id: randomUUID(), userId, runId: runOf(number) }];
      const begun = performance.now();
      const answer = await untilDone(() =>
        graphql(
          { url: url(), headers },
          'mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) { results { event { sequence } } } }',
          { events },
        ),
      );
      if (!answer) {
        problems.push(`event ${number} could not be recorded any more`);
        return;
      }
      acknowledgedAt.push(performance.now());
      longestRefusalMs = Math.max(longestRefusalMs, performance.now() - begun);
      const { sequence } = answer.recordSyncEvents.results[0].event;
      if (sequence !== number) problems.push(`event ${number} is number ${sequence}`);
      for (const tell of resting.splice(0)) tell();
      await wait(PROBE_PAUSE_MS);
    }
  }

  /** Nothing once it is given up. */
  async function untilDone<T>(work: () => Promise<T>): Promise<T | undefined> {
    while (!givenUp)
      try {
        return await work();
      } catch {
        await wait(20);
      }
    return undefined;
  }

  const log = new Follower('log');
  const followers = [log, new Follower('rest'), new Follower('runs')];
  const sum = (numberOf: (follower: Follower) => number) =>
    followers.reduce((total, follower) => total + numberOf(follower), 0);
  const following = Promise.all(followers.map((follower) => follower.follow()));
  const probing = probe();
  return {
    userId,
    get seen() {
      return log.seenAt.size;
    },
    async caughtUp() {
      const last = acknowledgedAt.length + 1;
      const isBehind = ({ seenAt }: Follower) => seenAt.size < Math.max(last, acknowledgedAt.length);
      for (let waited = 0; followers.some(isBehind) && waited < GIVE_UP_MS; waited += 5) await wait(5);
    },
    rests: () => new Promise((resolve) => resting.push(resolve)),
    async stop() {
      stopping = true;
      const giveUp = setTimeout(() => {
        problems.push(...followers.filter(({ isDone }) => !isDone).map(({ plight }) => plight));
        givenUp = true;
        for (const follower of followers) void follower.leave();
      }, GIVE_UP_MS);
      await probing;
      isAllRecorded = true;
      // They may wait for what does not come: the next event, or the first change that a stream of runs shows.
      for (const follower of followers) if (follower.isDone || !follower.hasBegun) await follower.leave();
      await following;
      clearTimeout(giveUp);
      const worst = followers.map((follower) => [follower.way, Math.max(0, ...follower.delays)] as const);
      const acknowledged = acknowledgedAt.length;
      return {
        worstMs: Math.max(...worst.map(([, ms]) => ms)),
        worstByWay: Object.fromEntries(worst) as Record<Way, number>, // one of each
        medianMs: Math.max(0, log.delays.sort((a, b) => a - b)[acknowledged >> 1] ?? 0),
        longestRefusalMs,
        acknowledged,
        sessions: sum(({ sessions }) => sessions),
        seen: sum(({ seenAt }) => seenAt.size),
        missing: sum(({ seenAt }) => Math.max(0, acknowledged - seenAt.size)),
        duplicated: sum(({ duplicated, seenAt }) => duplicated + Math.max(0, seenAt.size - acknowledged)),
        problems,
      };
    },
  };
}
