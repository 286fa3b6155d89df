import { isUnavailable } from '../../src/db/faults.ts';
import { AppError } from '../../src/errors.ts';
import { uuid } from '../../src/lib/random.ts';
import type { Limits } from '../../src/limits.ts';
import type { EventDraft } from '../../src/log/event.ts';
import type { RecordedEvent } from '../../src/log/record/plan-recordings.ts';
import type { Instance } from './instance.ts';
import type { ModelServer } from './model-server.ts';
import { Party } from './virtual-time.ts';
import type { World } from './world.ts';

/** What clients and troubles see of the installation. */
export interface Fleet {
  readonly world: World;
  readonly server: ModelServer;
  readonly limits: Limits;
  /** Those that listen. */
  readonly instances: readonly Instance[];
  /** Until when somebody else may keep a user locked, or has. */
  lockedUntil(userId: string): number;
  /** Does a stranger keep users locked right now? */
  isSomebodyLocked(): boolean;
}

/** How long a producer waits for an answer before it asks another instance. */
const PATIENCE_MS = 6_000;
/** What a recording may take while nothing is in its way; what the product gives one whose users are locked, and a little. */
const FREE_MS = 1_500;
const HELD_UP_MS = 3_500;

/** How long ago that was which a producer tells of when it imports history. */
const HISTORY_MS = 3_600_000;

const stages = ['queued', 'started', 'fetching', 'saving', 'completed'] as const;

/** Sends recordings one after the other, each again and again until it is answered, to whatever instance. */
export class Producer {
  readonly party: Party;
  readonly #fleet: Fleet;
  readonly #userIds: readonly string[];
  #left: number;
  /** It begins no recording later than this. */
  readonly #until: number;
  /** What recordings for free users took while others were locked, in milliseconds. */
  readonly besideLocked: number[] = [];

  constructor(
    name: string,
    fleet: Fleet,
    userIds: readonly string[],
    wish: { readonly recordings: number; readonly until: number },
  ) {
    this.party = new Party(name);
    this.#fleet = fleet;
    this.#userIds = userIds;
    this.#left = wish.recordings;
    this.#until = wish.until;
  }

  get isDone(): boolean {
    return this.#left === 0;
  }

  start(): void {
    this.#later(this.#fleet.world.between(0, 400), () => this.#begin());
  }

  #later(ms: number, run: () => void): void {
    this.#fleet.world.time.plan(ms, this.party, run);
  }

  #begin(): void {
    const { world } = this.#fleet;
    if (world.time.now > this.#until) this.#left = 0;
    if (this.#left === 0) return;
    const drafts = Array.from({ length: world.between(1, 4) }, () => this.#draft());
    if (drafts.length > 1 && world.chance(10)) drafts.push({ ...(drafts[0] as EventDraft) }); // there are some
    this.#attempt(drafts);
  }

  #draft(): EventDraft {
    const { world } = this.#fleet;
    return {
      id: uuid(world.random),
      userId: world.some(this.#userIds),
      runId: `run ${world.between(1, 3)}`,
      provider: world.some(['garmin', 'oura']),
      source: 'pull',
      stage: world.some(stages),
      status: 'in_progress',
      timestamp: new Date(Date.now() - (world.chance(4) ? HISTORY_MS : 0)),
    };
  }

  #attempt(drafts: readonly EventDraft[]): void {
    const { world, instances } = this.#fleet;
    const instance = instances.length > 0 ? world.some(instances) : undefined;
    if (!instance) {
      this.#later(100, () => this.#attempt(drafts));
      return;
    }
    let isOver = false;
    const once = (run: () => void) => {
      if (isOver) return;
      isOver = true;
      run();
    };
    this.#later(PATIENCE_MS, () => once(() => this.#attempt(drafts)));
    const answer = (run: () => void) => {
      if (world.chance(40)) return; // the connection broke: nobody knows what became of it
      world.time.plan(world.latency(), this.party, () => once(run));
    };
    world.time.plan(world.latency(), instance.party, () => this.#record(instance, drafts, answer));
  }

  #record(instance: Instance, drafts: readonly EventDraft[], answer: (run: () => void) => void): void {
    const { time } = this.#fleet.world;
    const begun = time.now;
    const isBesideLocked = this.#fleet.isSomebodyLocked();
    const wasClosing = instance.isClosing;
    instance.log.record(drafts).then(
      (recorded) => {
        if (isBesideLocked) this.#noteFree(instance, drafts, begun);
        this.#judgeTime(instance, drafts, begun);
        this.#judge(drafts, recorded);
        answer(() => this.#goOn());
      },
      (error: unknown) => {
        this.#judgeTime(instance, drafts, begun);
        answer(() => this.#refused(drafts, error, wasClosing));
      },
    );
  }

  /** What is said to be recorded is committed. */
  #judge(drafts: readonly EventDraft[], recorded: readonly RecordedEvent[]): void {
    const { world, server } = this.#fleet;
    for (const [at, { event }] of recorded.entries()) {
      if (server.everStored.get(event.id)?.event !== event)
        world.violated(`${event.id} was acknowledged and is not in the log as it was`);
      if (event.id !== drafts[at]?.id) world.violated(`the answer to ${drafts[at]?.id} is ${event.id}`);
    }
  }

  /** What a recording for free users takes while others are locked. */
  #noteFree({ party }: Instance, drafts: readonly EventDraft[], begun: number): void {
    const { world } = this.#fleet;
    const isFree = drafts.every(({ userId }) => this.#fleet.lockedUntil(userId) <= begun - FREE_MS);
    if (isFree && party.isWellSince(begun - FREE_MS)) this.besideLocked.push(world.time.now - begun);
  }

  #judgeTime(instance: Instance, drafts: readonly EventDraft[], begun: number): void {
    const { world } = this.#fleet;
    const took = world.time.now - begun;
    if (took <= FREE_MS || !instance.party.isWellSince(begun)) return;
    const isFree = drafts.every(({ userId }) => this.#fleet.lockedUntil(userId) <= begun);
    if (took > (isFree ? FREE_MS : HELD_UP_MS))
      world.violated(
        `a recording for ${isFree ? 'free' : 'locked'} users took ${Math.round(took)} ms on ${instance.party.name}`,
      );
  }

  #goOn(): void {
    this.#left -= 1;
    this.#later(this.#fleet.world.between(1, 600), () => this.#begin());
  }

  #refused(drafts: readonly EventDraft[], error: unknown, wasClosing: boolean): void {
    const { world } = this.#fleet;
    const code = error instanceof AppError ? error.code : undefined;
    if (code === 'NOT_FOUND' && drafts.some(({ userId }) => !this.#fleet.server.users.has(userId))) {
      this.#left -= 1; // that user is gone for good
      this.#later(10, () => this.#begin());
      return;
    }
    if (code !== 'UNAVAILABLE' && code !== 'NOT_FOUND' && !isUnavailable(error) && !wasClosing)
      world.violated(`a recording failed with ${error}`);
    this.#later(world.between(50, 500), () => this.#attempt(drafts));
  }
}
