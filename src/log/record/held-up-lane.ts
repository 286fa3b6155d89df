import { AppError } from '../../errors.ts';
import { pause } from '../../lib/pause.ts';
import type { Limits } from '../../limits.ts';
import { groupSize } from './group-size.ts';
import { type HeldUp, LOCK_WAIT_MS, type Recording, type RecordingCommits } from './recording-commits.ts';

/** For how long it is remembered that rows of a user were still locked when a recording was given up, in milliseconds. */
const REMEMBERED_MS = 10_000;

interface Waiting extends HeldUp {
  /** When to give up, by `performance.now()`. */
  readonly until: number;
  /** It has not yet waited in the database behind others who hold the locks. */
  readonly isNew: boolean;
}

type LaneLimits = Pick<Limits, 'eventsPerTransaction' | 'heldUpMs' | 'heldUpRecordings' | 'listedProblems'>;

/**
 * Where recordings wait whose rows somebody else has locked: another instance for some milliseconds, or a stranger for as
 * long as it likes. One transaction at a time serves the lane, however many users are locked. It goes in rounds, each over all
 * that waits: whoever is free is stored, the others are skipped. After a round that stored nothing it waits in the
 * database behind those who hold the locks, as instances do that record for the same users: first for all that is new,
 * then for one user of one recording after the other. Whoever waits for a second user keeps the first one locked: two
 * instances that did so again and again would each take that one for locked, and so would everybody else.
 *
 * A recording that is still held up after `heldUpMs` is refused. What is recorded later for users who are known to be
 * locked comes into the lane behind the earlier recordings, and is not stored before them.
 */
export class HeldUpLane {
  readonly #commits: RecordingCommits;
  readonly #limits: LaneLimits;
  /** In the order in which they came. */
  #waiting: readonly Waiting[] = [];
  /** The users who are known to be locked, of all that waits. */
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

  /**
   * Takes in what belongs behind the recordings that wait here, and returns the others. Where too many wait, it is
   * refused at once.
   */
  takeIn(recordings: readonly Recording[]): readonly Recording[] {
    if (this.#userIds.size + this.#remembered.size === 0) return recordings;
    const others: Recording[] = [];
    const heldUp: HeldUp[] = [];
    for (const recording of recordings) {
      const userIds = new Set(recording.drafts.map(({ userId }) => userId).filter((id) => this.#isHeldUp(id)));
      if (userIds.size === 0) others.push(recording);
      else if (this.#waiting.length + heldUp.length >= this.#limits.heldUpRecordings)
        refuse({ recording, userIds, isByOtherRows: false }, this.#limits);
      else heldUp.push({ recording, userIds, isByOtherRows: false });
    }
    this.#add(heldUp, false);
    return others;
  }

  /** Lets recordings wait here that turned out to be held up. */
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
    this.#change([...this.#waiting, ...heldUp.map((one) => ({ ...one, until, isNew: isNew && !one.isByOtherRows }))]);
    this.#working ??= this.#work();
  }

  #change(waiting: readonly Waiting[]): void {
    this.#waiting = waiting;
    this.#userIds = new Set(waiting.flatMap(lockedUsersOf));
  }

  async #work(): Promise<void> {
    for (let turn = 0; this.#waiting.length > 0; turn += 1)
      if (!(await this.#round()) && this.#waiting.length > 0) await this.#waitInDatabase(turn);
    this.#working = undefined;
  }

  /**
   * Tries all that waits: in groups what is held up by users, and one by one what is held up by other rows, of which nobody
   * can tell whose they are.
   * @returns whether anything was answered
   */
  async #round(): Promise<boolean> {
    const before = this.#waiting.length;
    const locked = new Set<string>();
    const note = (left: readonly Waiting[]) => {
      for (const userId of left.flatMap(lockedUsersOf)) locked.add(userId);
    };
    let open: readonly Waiting[] = this.#waiting.filter(({ isByOtherRows }) => !isByOtherRows);
    while (open.length > 0) {
      const [first, ...rest] = open;
      const group = first ? [first, ...rest].slice(0, this.#groupSize(open)) : [];
      note(await this.#try(group));
      open = this.#stillOpen(open.slice(group.length), locked);
    }
    for (const one of this.#waiting.filter(({ isByOtherRows }) => isByOtherRows))
      note(await this.#try(this.#stillOpen([one], locked)));
    return this.#waiting.length < before;
  }

  /** Without those that were answered meanwhile, and those behind one of the same user who is locked. */
  #stillOpen(some: readonly Waiting[], locked: ReadonlySet<string>): readonly Waiting[] {
    const waiting = new Set(this.#waiting.map(({ recording }) => recording));
    return some.filter((one) => waiting.has(one.recording) && !lockedUsersOf(one).some((userId) => locked.has(userId)));
  }

  /** Waits behind those who have locked users: all of what is new, or the first one of a recording, another one each turn. */
  async #waitInDatabase(turn: number): Promise<void> {
    const earlier = new Set<string>();
    const first = this.#waiting.filter((one) => {
      const isFirst = !one.isByOtherRows && !lockedUsersOf(one).some((userId) => earlier.has(userId));
      for (const userId of lockedUsersOf(one)) earlier.add(userId);
      return isFirst;
    });
    const fresh = this.#waiting.filter(({ isNew }) => isNew);
    const one = first[turn % first.length];
    const group = fresh.slice(0, this.#groupSize(fresh));
    if (fresh.length > 0) await this.#try(group, new Set(group.flatMap(lockedUsersOf)));
    else if (one) await this.#try([one], new Set(lockedUsersOf(one).toSorted().slice(0, 1)));
    else await pause(LOCK_WAIT_MS);
    this.#giveUp();
  }

  /** @returns what is held up further */
  async #try(group: readonly Waiting[], waitFor?: ReadonlySet<string>): Promise<readonly Waiting[]> {
    if (group.length === 0) return [];
    const waits = waitFor !== undefined;
    const heldUp = await this.#commits.commit(
      group.map(({ recording }) => recording),
      waitFor,
    );
    const news = new Map(heldUp.map((one) => [one.recording, one]));
    const tried = new Map<Recording, readonly Waiting[]>();
    for (const one of group) {
      const still = news.get(one.recording);
      tried.set(one.recording, still ? [{ ...one, ...(!waits && still), isNew: one.isNew && !waits }] : []);
      if (!still) for (const userId of one.userIds) this.#remembered.delete(userId);
    }
    this.#change(this.#waiting.flatMap((one) => tried.get(one.recording) ?? [one]));
    this.#giveUp();
    return [...tried.values()].flat();
  }

  /** Refuses what has waited for too long. */
  #giveUp(): void {
    const now = performance.now();
    const over = this.#waiting.filter(({ until }) => until <= now);
    if (over.length === 0) return;
    for (const one of over) {
      refuse(one, this.#limits);
      if (one.isByOtherRows) for (const userId of lockedUsersOf(one)) this.#remember(userId, now);
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

/** The users who are known to be locked. Which of several have other rows that are locked, nobody can tell. */
function lockedUsersOf({ userIds, isByOtherRows }: HeldUp): readonly string[] {
  return isByOtherRows && userIds.size > 1 ? [] : [...userIds];
}

/** Names the events of users who are locked, so that the others can be sent without them. */
function refuse(heldUp: HeldUp, limits: LaneLimits): void {
  const locked = new Set(lockedUsersOf(heldUp));
  const problems = heldUp.recording.drafts.flatMap(({ userId }, index) =>
    locked.has(userId) ? [{ index, field: 'userId', message: 'is of a user whom somebody else keeps locked' }] : [],
  );
  heldUp.recording.reject(
    new AppError('UNAVAILABLE', 'The database is busy with these rows; try again', {
      ...(problems.length > 0 && { problems: problems.slice(0, limits.listedProblems) }),
    }),
  );
}
