import type { Form } from '../proof-command.ts';

/** How much of everything. */
export interface Sizes {
  readonly writers: number;
  readonly events: number;
  readonly followers: number;
  readonly instanceKills: number;
  /** Instances that are paused or cut off in the middle of a transaction. */
  readonly lostInstances: number;
  readonly fileKills: number;
  readonly listenerKills: number;
  readonly blackHoles: number;
  readonly databaseRestarts: number;
  /** How long the database is away at each of its restarts. */
  readonly awayMs: number;
  readonly redisRestarts: number;
  readonly cycles: number;
  readonly stops: number;
  /** What a busy machine may add to what is promised of time. */
  readonly busyMs: number;
  /** How often an instance starts again with another clock. */
  readonly clocks: number;
  /** For how long an instance records whose doorbell never rings. */
  readonly deafMs: number;
  /** Entries that the bridge takes on each database while its disk is full now and then, and how often it is. */
  readonly bridged: number;
  readonly fullDisks: number;
  /** Events of a log of which retention has to take a part. */
  readonly aged: number;
  /** Events of which the way to another instance is timed. */
  readonly wakeUps: number;
  /** What half of them may take at most; on a machine that runs other tests as well, what only a lost doorbell takes. */
  readonly wakeUpMs: number;
  /** Requests of each user beside others who are locked, and what they may take at most, as a multiple of an idle server's. */
  readonly lockedRequests: number;
  readonly lockedRatio: number;
  /** Users who are followed all at once, for how long others record for them, and what a request may take at most. */
  readonly crowd: number;
  readonly crowdMs: number;
  readonly crowdAnswerMs: number;
  /** Not only on SQLite. */
  readonly crowdOnPostgres: boolean;
}

export const forms: Readonly<Record<Form, Sizes>> = {
  short: {
    writers: 4,
    events: 1_200,
    followers: 12,
    instanceKills: 2,
    lostInstances: 2,
    fileKills: 3,
    listenerKills: 4,
    blackHoles: 3,
    databaseRestarts: 1,
    awayMs: 1_000,
    redisRestarts: 1,
    cycles: 150,
    stops: 1,
    busyMs: 10_000,
    clocks: 1,
    deafMs: 6_000,
    bridged: 150,
    fullDisks: 1,
    aged: 900,
    wakeUps: 50,
    wakeUpMs: 500,
    lockedRequests: 30,
    lockedRatio: 10,
    crowd: 1_001,
    crowdMs: 6_000,
    crowdAnswerMs: 3_000,
    crowdOnPostgres: false,
  },
  usual: {
    writers: 8,
    events: 8_000,
    followers: 40,
    instanceKills: 12,
    lostInstances: 4,
    fileKills: 20,
    listenerKills: 20,
    blackHoles: 6,
    databaseRestarts: 2,
    awayMs: 5_000,
    redisRestarts: 3,
    cycles: 2_000,
    stops: 5,
    busyMs: 1_000,
    clocks: 6,
    deafMs: 30_000,
    bridged: 1_600,
    fullDisks: 4,
    aged: 3_000,
    wakeUps: 200,
    wakeUpMs: 50,
    lockedRequests: 200,
    lockedRatio: 2,
    crowd: 10_000,
    crowdMs: 30_000,
    crowdAnswerMs: 1_000,
    crowdOnPostgres: true,
  },
  full: {
    writers: 8,
    events: 50_000,
    followers: 100,
    instanceKills: 100,
    lostInstances: 10,
    fileKills: 200,
    listenerKills: 50,
    blackHoles: 12,
    databaseRestarts: 5,
    awayMs: 30_000,
    redisRestarts: 5,
    cycles: 10_000,
    stops: 20,
    busyMs: 1_000,
    clocks: 20,
    deafMs: 120_000,
    bridged: 8_000,
    fullDisks: 10,
    aged: 20_000,
    wakeUps: 1_000,
    wakeUpMs: 50,
    lockedRequests: 500,
    lockedRatio: 2,
    crowd: 10_000,
    crowdMs: 60_000,
    crowdAnswerMs: 1_000,
    crowdOnPostgres: true,
  },
};
