import { AppError } from '../../errors.ts';
import type { Limits } from '../../limits.ts';
import type { UserLocking } from '../sql/log-sql.ts';
import { groupSize } from './group-size.ts';
import type { HeldUp, Recording, RecordingCommits } from './recording-commits.ts';

/** How many problems of one recording are listed. */
const LISTED_PROBLEMS = 20;

/** For how long it is remembered that rows of a user were still locked when a recording was given up, in milliseconds. */
const REMEMBERED_MS = 10_000;

interface Waiting extends HeldUp {
  /** When to give up, by `performance.now()`. */
  readonly until: number;
  /** It has not yet waited in the database behind others who hold the locks. */
  readonly isNew: boolean;
}

type LaneLimits = Pick<Limits, 'eventsPerTransaction' | 'heldUpMs' | 'heldUpRecordings'>;

/**
 * Where recordings wait whose rows somebody else has locked: another instance for some milliseconds, or a stranger for as
 * long as it likes. One transaction at a time serves the lane, however many users are locked:
 *
 * - what is new waits in the database behind those who hold the locks, as instances that record for the same users do;
 * - after that, rounds go over all that waits, store whoever is free and skip the others. Between two rounds that stored
 *   nothing, one recording after the other waits in the database.
 *
 * A recording that is still held up after `heldUpMs` is refused. What is recorded later for users who are in the lane
 * comes into it behind the earlier recordings.
 */
export class HeldUpLane {
  readonly #commits: RecordingCommits;
  readonly #limits: LaneLimits;
  /** In the order in which they came. */
  #waiting: readonly Waiting[] = [];
  /** The users whose rows are locked, of all that waits. */
  #userIds = new Set<string>();
  /** Users of whom other rows than their own were locked when a recording was given up, and until when that counts. */
  readonly #remembered = new Map<string, number>();
  #working: Promise<void> | undefined;

  constructor(commits: RecordingCommits, limits: LaneLimits) {
    this.#commits = commits;
    this.#limits = limits;
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** Takes in what belongs behind the recordings that wait here, and returns the others. */
  takeIn(recordings: readonly Recording[]): readonly Recording[] {
    if (this.#userIds.size + this.#remembered.size === 0) return recordings;
    const others: Recording[] = [];
    const heldUp: HeldUp[] = [];
    for (const recording of recordings) {
      const userIds = new Set(recording.drafts.map(({ userId }) => userId).filter((id) => this.#isHeldUp(id)));
      if (userIds.size === 0) others.push(recording);
      else heldUp.push({ recording, userIds, isByOtherRows: false });
    }
    this.#add(heldUp, false);
    return others;
  }

  /** Lets recordings wait here. Those for which there is no room are refused at once. */
  add(heldUp: readonly HeldUp[]): void {
    this.#add(heldUp, true);
  }

  /** Resolves when no recording waits any more. */
  async settle(): Promise<void> {
    await this.#working;
  }

  #add(heldUp: readonly HeldUp[], isNew: boolean): void {
    if (heldUp.length === 0) return;
    const until = performance.now() + this.#limits.heldUpMs;
    const room = Math.max(0, this.#limits.heldUpRecordings - this.#waiting.length);
    const added = heldUp.slice(0, room).map((one) => ({ ...one, until, isNew: isNew && !one.isByOtherRows }));
    for (const one of heldUp.slice(room)) refuse(one);
    this.#change([...this.#waiting, ...added]);
    this.#working ??= this.#work();
  }

  #change(waiting: readonly Waiting[]): void {
    this.#waiting = waiting;
    this.#userIds = new Set(waiting.flatMap(({ userIds }) => [...userIds]));
  }

  async #work(): Promise<void> {
    for (let turn = 0; this.#waiting.length > 0; turn += 1) {
      const fresh = this.#waiting.filter(({ isNew }) => isNew);
      if (fresh.length > 0) await this.#try(fresh.slice(0, this.#groupSize(fresh)), 'wait');
      else if (!(await this.#tryAll())) await this.#waitForOne(turn);
      this.#giveUp();
    }
    this.#working = undefined;
  }

  /** A round over all that waits. @returns whether anything was answered */
  async #tryAll(): Promise<boolean> {
    const before = this.#waiting;
    let answered = false;
    for (let from = 0; from < before.length; ) {
      const group = before.slice(from, from + this.#groupSize(before.slice(from)));
      from += group.length;
      const left = await this.#try(group, 'skip');
      if (left.length < group.length || (await this.#tryApart(left))) answered = true;
    }
    return answered;
  }

  /**
   * Tries recordings one by one of which some were held up by other rows than users: nobody can tell which. Of the users
   * of one that is held up nothing else is tried then.
   * @returns whether anything was answered
   */
  async #tryApart(group: readonly Waiting[]): Promise<boolean> {
    if (group.length < 2 || !group.some(({ isByOtherRows }) => isByOtherRows)) return false;
    const locked = new Set<string>();
    let answered = false;
    for (const one of group) {
      if ([...one.userIds].some((userId) => locked.has(userId))) continue;
      const left = await this.#try([one], 'skip');
      if (left.length === 0) answered = true;
      for (const { userIds } of left) for (const userId of userIds) locked.add(userId);
    }
    return answered;
  }

  /** Waits in the database behind those who hold the locks of one recording, another one each time. */
  async #waitForOne(turn: number): Promise<void> {
    const one = this.#waiting[turn % this.#waiting.length];
    if (one) await this.#try([one], 'wait');
  }

  /** @returns what is held up further */
  async #try(group: readonly Waiting[], locking: UserLocking): Promise<readonly Waiting[]> {
    const heldUp = await this.#commits.commit(
      group.map(({ recording }) => recording),
      locking,
    );
    const news = new Map(heldUp.map((one) => [one.recording, one]));
    const tried = new Map<Recording, readonly Waiting[]>();
    for (const one of group) {
      const still = news.get(one.recording);
      // A wait that was in vain tells nothing new of whose rows are locked.
      tried.set(one.recording, still ? [{ ...one, ...(locking === 'skip' && still), isNew: false }] : []);
      if (!still) for (const userId of one.userIds) this.#remembered.delete(userId);
    }
    this.#change(this.#waiting.flatMap((one) => tried.get(one.recording) ?? [one]));
    return [...tried.values()].flat();
  }

  /** Refuses what has waited for too long. */
  #giveUp(): void {
    const now = performance.now();
    const over = this.#waiting.filter(({ until }) => until <= now);
    if (over.length === 0) return;
    for (const one of over) {
      refuse(one);
      if (one.isByOtherRows) for (const userId of one.userIds) this.#remember(userId, now);
    }
    this.#change(this.#waiting.filter(({ until }) => until > now));
  }

  #remember(userId: string, now: number): void {
    this.#remembered.delete(userId);
    this.#remembered.set(userId, now + REMEMBERED_MS);
    const [oldest] = this.#remembered.keys();
    if (oldest !== undefined && this.#remembered.size > this.#limits.heldUpRecordings) this.#remembered.delete(oldest);
  }

  #isHeldUp(userId: string): boolean {
    if (this.#userIds.has(userId)) return true;
    const until = this.#remembered.get(userId);
    if (until === undefined) return false;
    if (until > performance.now()) return true;
    this.#remembered.delete(userId);
    return false;
  }

  #groupSize(waiting: readonly Waiting[]): number {
    return groupSize(
      waiting.map(({ recording }) => recording),
      this.#limits,
    );
  }
}

/** Names the events of users who are locked, so that the others can be sent without them. */
function refuse({ recording, userIds, isByOtherRows }: HeldUp): void {
  const isKnown = !isByOtherRows || userIds.size === 1;
  const problems = recording.drafts.flatMap(({ userId }, index) =>
    isKnown && userIds.has(userId)
      ? [{ index, field: 'userId', message: 'is of a user whom somebody else keeps locked' }]
      : [],
  );
  recording.reject(
    new AppError('UNAVAILABLE', 'The database is busy with these rows; try again', {
      ...(problems.length > 0 && { problems: problems.slice(0, LISTED_PROBLEMS) }),
    }),
  );
}
