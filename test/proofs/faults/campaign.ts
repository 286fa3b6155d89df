import { setTimeout as wait } from 'node:timers/promises';
import { between, pick, type Random } from '../../../src/lib/random.ts';
import { fewBytes, startFaultyProxy } from '../../support/faulty-proxy.ts';
import { checkModel } from '../../support/model/checker.ts';
import { type FollowerWorld, startFollower } from '../../support/model/follower.ts';
import { type RecorderWorld, runRecorder } from '../../support/model/recorder.ts';
import { readStored } from '../../support/model/stored.ts';
import { mulberry32 } from '../../support/seeded.ts';
import type { Headers } from '../../support/server.ts';
import { newUser } from '../../support/server-process.ts';
import { startWitness, type Testimony } from '../../support/witness.ts';
import type { Way } from '../../support/witness-ways.ts';
import type { Parts } from './promises.ts';

/** What one promise is held against. */
export interface Campaign {
  /** Of the instances; they keep their addresses when they end and start again. */
  readonly urls: readonly [string, ...string[]];
  readonly headers: Headers;
  readonly databaseUrl: string;
  readonly random: Random;
  readonly events: number;
  readonly writers: number;
  readonly followers: number;
  /** How often `inject` is called, evenly over the recording. */
  readonly faults: number;
  /** Brings about one fault and resolves when it is over. */
  readonly inject?: (fault: number) => Promise<void>;
  /** Runs beside everything, until the signal aborts. */
  readonly beside?: (userIds: readonly string[], signal: AbortSignal) => Promise<void>;
}

/** What came of it: nothing may be missing, duplicated, out of order or wrong. */
export interface Outcome {
  /** Injected, and connections that the network cut on top. */
  readonly faults: number;
  readonly cuts: number;
  readonly acknowledged: number;
  readonly sessions: number;
  readonly seen: number;
  readonly missing: number;
  readonly duplicated: number;
  readonly outOfOrder: number;
  readonly worstCatchUpMs: number;
  /** The same of those who follow over REST and who watch runs, where there are any. */
  readonly worstByWay?: Readonly<Record<Way, number>>;
  /** Whatever else contradicts a promise, with examples. */
  readonly wrong: readonly string[];
}

/** What came of a proof that only a witness has watched. @param wrong beside what the witness found */
export function outcomeOf(
  testimony: Testimony,
  { faults = 0, wrong }: { readonly faults?: number; readonly wrong: readonly string[] },
): Outcome {
  const { acknowledged, sessions, seen, missing, duplicated, worstMs, worstByWay, problems } = testimony;
  return {
    ...{ faults, cuts: 0, acknowledged, sessions, seen, missing, duplicated, outOfOrder: 0 },
    ...{ worstCatchUpMs: worstMs, worstByWay, wrong: [...problems, ...wrong] },
  };
}

const USERS = 5;

/** A campaign on a fleet, with so many faults and at most so many events. */
export function campaignOf({ fleet, random, sizes }: Parts, faults: number, events: number): Campaign {
  return {
    urls: fleet.urls,
    headers: fleet.instances[0].headers,
    databaseUrl: fleet.databaseUrl,
    random,
    events: Math.min(events, sizes.events),
    writers: sizes.writers,
    followers: Math.ceil(sizes.followers / 2),
    faults,
  };
}

/**
 * Records and follows through a network that cuts connections, over all instances and transports, while faults are
 * injected; a witness does so without those cuts. Then compares what was acknowledged, what is stored and what each follower has seen.
 */
export async function runCampaign(campaign: Campaign): Promise<Outcome> {
  const { urls, headers, databaseUrl, random, writers, followers, faults, inject } = campaign;
  const fork = (): Random => mulberry32(between(random, 0, 2 ** 31));
  const direct = { url: () => pick(random, urls), headers };
  const userIds: string[] = [];
  while (userIds.length < USERS) userIds.push(await newUser({ url: direct.url(), headers }));
  const proxies = await Promise.all(urls.map((url) => startFaultyProxy(url, fewBytes(fork()))));
  const witness = await startWitness({ ...direct, random: fork() });
  const besides = new AbortController();
  const beside = campaign.beside?.([...userIds, witness.userId], besides.signal);

  let clock = 0;
  let acknowledged = 0;
  let injected = 0;
  const quota = (fault: number) => Math.floor((campaign.events * (fault + 1)) / (faults + 1));
  const roads = fork();
  const way = () => pick(roads, proxies.map(({ url }) => url) as [string, ...string[]]);
  const common = { headers, userIds: userIds as [string, ...string[]] };
  const recorderWorld: RecorderWorld = {
    ...common,
    get url() {
      return way();
    },
    /** The share of a fault is recorded before and while it happens, so that there is something to lose. */
    async listening() {
      await wait(between(roads, 0, 5));
      while (injected < faults && acknowledged >= quota(injected) + campaign.events / (faults + 1)) await wait(10);
    },
    now: () => ++clock,
    acknowledged: (events) => {
      acknowledged += events;
    },
    enough: () => acknowledged >= campaign.events && injected >= faults,
  };
  const followerWorld: FollowerWorld = {
    ...common,
    get url() {
      return way();
    },
    listening: () => wait(between(roads, 5, 50)),
  };

  const following = Array.from({ length: followers }, () => startFollower(followerWorld, fork()));
  const recording = Promise.all(
    Array.from({ length: writers }, (_, index) => runRecorder(recorderWorld, fork(), `writer ${index}`)),
  );
  recording.catch(() => {});
  for (; injected < faults; injected += 1) {
    while (acknowledged < quota(injected)) await wait(10);
    await inject?.(injected);
  }
  const reports = await recording;
  besides.abort();
  await beside;
  const latency = await witness.stop();

  const heads = new Map((await readStored(databaseUrl, userIds)).users.map((user) => [user.id, user.headSequence]));
  await Promise.all(following.map(({ view, finish }) => finish(heads.get(view.userId) ?? 0)));
  await Promise.all(proxies.map((proxy) => proxy.close()));
  const views = following.map(({ view }) => ({
    ...view,
    // While the database is away, a subscription may be refused: the client comes back, with the cursor that it has.
    problems: view.problems.filter((problem) => !problem.includes('"code":"UNAVAILABLE"')),
  }));
  const findings = checkModel(await readStored(databaseUrl, userIds), reports, views);
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  return {
    faults: injected,
    cuts: sum(proxies.map(({ cuts }) => cuts)),
    acknowledged: acknowledged + latency.acknowledged,
    sessions: sum(views.map(({ sessions }) => sessions)) + latency.sessions,
    seen: sum(views.map(({ events }) => events.length)) + latency.seen,
    missing: findings.count('missing') + latency.missing,
    duplicated: findings.count('duplicated') + latency.duplicated,
    outOfOrder: findings.count('out of order') + findings.count('out of commit order') + findings.count('hole'),
    worstCatchUpMs: latency.worstMs,
    worstByWay: latency.worstByWay,
    wrong: [...findings.examples, ...latency.problems],
  };
}
