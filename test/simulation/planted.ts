import type { Fault } from '../mutations/fault.ts';

const follow = 'src/log/follow';
const record = 'src/log/record';
const changes = 'src/log/changes';
const retention = 'src/log/retention.ts';

/**
 * Faults of the delivery that schedules find. Each once survived the tests, was in the product, or is near to one that was.
 * Two are left to `npm run mutate`, as no schedule shows them: to wait for users who are locked costs one short wait in all, since
 * they are remembered then; and a clock that goes back and is believed, as nothing tells the age of what it records.
 */
export const planted: readonly Fault[] = [
  {
    breaks: 'a log that is made anew is not told apart',
    file: `${follow}/log-tail.ts`,
    find: '(found.createdAt.getTime() !== this.#createdAt?.getTime() || found.headSequence < before.head)',
    replace: 'found.headSequence < before.head',
  },
  {
    breaks: 'events of a log that was made anew are read for the old one',
    file: `${follow}/followed-log.ts`,
    find: 'upTo, createdAt }',
    replace: 'upTo }',
  },
  {
    breaks: 'nothing is looked at when the doorbell is back',
    file: `${follow}/followed-logs.ts`,
    find: '      () => void this.look(),\n',
    replace: '',
  },
  {
    breaks: 'an instance whose doorbell is back tells nobody that it could not ring',
    file: 'src/instances/doorbell.ts',
    find: '      wire.send(JSON.stringify([self, LOOK]));\n',
    replace: '',
  },
  {
    breaks: 'nothing is looked at without a signal',
    file: `${follow}/followed-logs.ts`,
    find: 'setInterval(() => void this.look(), this.#limits.slowPollMs)',
    replace: 'setInterval(() => {}, this.#limits.slowPollMs)',
  },
  {
    breaks: 'of two changes that share a message the first one counts',
    file: 'src/instances/doorbell.ts',
    find: 'return { ...later, previousHead',
    replace: 'return { ...earlier, previousHead',
  },
  {
    breaks: 'a head that a signal has told of is taken for a fact',
    file: `${follow}/followed-log.ts`,
    find: 'else await this.#correctTarget(upTo);',
    replace: 'else return;',
  },
  {
    breaks: 'a signal that a user is deleted is taken for a fact',
    file: `${follow}/followed-logs.ts`,
    find: 'this.#wake(followed, (log) => log.catchUp())',
    replace: 'this.#wake(followed, (log) => log.update(undefined, 0))',
  },
  {
    breaks: 'a stream ends when the database is away',
    file: `${follow}/follower.ts`,
    find: 'pauseMs: databaseRetryMs, isTemporary: isUnavailable });',
    replace: 'pauseMs: databaseRetryMs, isTemporary: () => false });',
  },
  {
    breaks: 'checkpoints come half as often',
    file: `${follow}/follower.ts`,
    find: 'this.#toldAt + this.#limits.checkpointMs);',
    replace: 'this.#toldAt + 2 * this.#limits.checkpointMs);',
  },
  {
    breaks: 'a follower who is reset misses the oldest event',
    file: `${follow}/follower.ts`,
    find: 'this.#cursor = oldest - 1;',
    replace: 'this.#cursor = oldest;',
  },
  {
    breaks: 'the tail keeps a hole when it skips events',
    file: `${follow}/log-tail.ts`,
    find: '...(isNext ? this.#newest : [])',
    replace: '...(isNext || events.length < 3 ? this.#newest : [])',
  },
  {
    breaks: 'what is known of a page survives the growth of its log',
    file: `${follow}/steps.ts`,
    find: 'if (this.#head !== tail.head) this.#byPlace.clear();',
    replace: '',
  },
  {
    breaks: 'a recording whose users are locked is never given up',
    file: `${record}/held-up-lane.ts`,
    find: 'this.#waiting.filter(({ until }) => until <= now)',
    replace: 'this.#waiting.filter(({ until }) => until <= 0 && now > 0)',
  },
  {
    breaks: 'the recorder is not waited for when it is closed',
    file: `${record}/recorder.ts`,
    find: '    await this.#working;\n    await this.#lane.settle();',
    replace: '',
  },
  {
    breaks: 'a recording is acknowledged before its commit',
    file: `${record}/recording-commits.ts`,
    find: '    const answer = { plan, decided, heldUp };\n',
    replace: '    const answer = { plan, decided, heldUp };\n    this.#answer(answer);\n',
  },
  {
    breaks: 'times of a log go back with the clock',
    file: `${record}/plan-recordings.ts`,
    find: 'recordedAt: before && before > now ? before : now }',
    replace: 'recordedAt: before && before === now ? before : now }',
  },
  {
    breaks: 'a repetition is recorded again',
    file: `${record}/plan-recordings.ts`,
    find: 'if (earlier) return { event: earlier, duplicate: true };',
    replace: 'if (earlier && earlier.sequence > 3) return { event: earlier, duplicate: true };',
  },
  {
    breaks: 'retention takes everything at once',
    file: retention,
    find: 'tail = Math.min(tail + retentionBatch, newTail);',
    replace: 'tail = newTail;',
  },
  {
    breaks: 'retention takes one of the newest events',
    file: retention,
    find: 'log.headSequence - this.#limits.retainedEvents + 1;',
    replace: 'log.headSequence - this.#limits.retainedEvents + 2;',
  },
  {
    breaks: 'what was recorded while retention sweeps is as old as its producer says',
    file: 'src/log/believed-time.ts',
    find: 'new Date(now.getTime() + this.#bounds.jumpMs)',
    replace: 'new Date(now.getTime() + 0 * this.#bounds.jumpMs)',
  },
  {
    breaks: 'a clock that jumps ahead is believed at once',
    file: 'src/log/believed-time.ts',
    find: 'if (!isApart(now, believedAt, jumpMs)) return believed;',
    replace: 'if (jumpMs > 0) return believed;',
  },
  {
    breaks: 'streams of runs do not look when the doorbell is back',
    file: `${changes}/row-changes.ts`,
    find: '() => this.#watch?.lookNow(),',
    replace: '',
  },
  {
    breaks: 'a stream of runs says that it has begun before it is certain',
    file: `${changes}/row-changes.ts`,
    find: 'if (this.#watch.isComplete) subscriber.begin();',
    replace: 'subscriber.begin();',
  },
  {
    breaks: 'an instance works on although another one has taken the source',
    file: 'src/instances/hold.ts',
    find: 'if (isHeld === false) lost.abort();',
    replace: 'if (isHeld === undefined) lost.abort();',
  },
  {
    breaks: 'a source is not taken again after its holder is gone',
    file: 'src/instances/hold.ts',
    find: 'else await pause(limits.sourceTryMs, signal);',
    replace: 'else await pause(60 * limits.sourceTryMs, signal);',
  },
];
