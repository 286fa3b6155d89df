import type { Area } from './fault.ts';

const follower = 'src/log/follow/follower.ts';
const followed = 'src/log/follow/followed-log.ts';
const logs = 'src/log/follow/followed-logs.ts';
const tail = 'src/log/follow/log-tail.ts';
const steps = 'src/log/follow/steps.ts';
const cost = ['test/log/follow-cost.test.ts'];
const end = ['test/log/follow-end.test.ts'];
const away = ['test/log/follow-while-away.test.ts'];

/** From the commit to the reader of a stream. */
export const follow: Area = {
  name: 'follow',
  tests: ['test/log/follow.test.ts'],
  faults: [
    {
      breaks: 'checkpoints come half as often',
      file: follower,
      find: 'this.#logs.checkpoints.set(this, this.#toldAt + this.#limits.checkpointMs)',
      replace: 'this.#logs.checkpoints.set(this, this.#toldAt + 2 * this.#limits.checkpointMs)',
    },
    {
      breaks: 'a checkpoint has to wait for an alarm that is not set again',
      file: follower,
      find: '    if (this.#waiting) this.#wait(this.#waiting);\n',
      replace: '',
    },
    {
      breaks: 'a cursor that is gone is not told of',
      file: follower,
      find: "    this.#reset = { reason: 'CURSOR_EXPIRED', oldest, head };\n",
      replace: '',
    },
    {
      breaks: 'a cursor that is too far ahead is not told of',
      file: follower,
      find: "    this.#reset = { reason: 'CURSOR_AHEAD', oldest: tail.oldest, head: tail.head };\n",
      replace: '',
    },
    {
      breaks: 'a reset skips the oldest event that is left',
      file: follower,
      find: 'this.#cursor = oldest - 1;',
      replace: 'this.#cursor = oldest;',
    },
    {
      breaks: 'a reset is told again and again',
      file: follower,
      find: '    this.#reset = null;\n    this.#told',
      replace: '    this.#told',
    },
    {
      breaks: 'the cursor of the last event that is gone is refused',
      file: follower,
      find: 'if (this.#cursor < tail.oldest - 1) this.#skipTo(tail);',
      replace: 'if (this.#cursor < tail.oldest) this.#skipTo(tail);',
    },
    {
      breaks: 'a replay begins one event too late',
      file: follower,
      find: 'tail.head - (replayLast ?? 0)',
      replace: 'tail.head - (replayLast ? replayLast - 1 : 0)',
    },
    {
      breaks: 'a follower begins with its cursor instead of after it',
      file: follower,
      find: 'this.#cursor = after ?? Math.max(',
      replace: 'this.#cursor = after ? after - 1 : Math.max(',
    },
    {
      breaks: 'the filter is forgotten for what is read from the log',
      file: follower,
      find: 'stepWith(page, log.tail, this.#request.filter)',
      replace: 'stepWith(page, log.tail, undefined)',
    },
    {
      breaks: 'the filter is forgotten for what is in memory',
      file: follower,
      find: 'log.stepAfter(this.#cursor, this.#request.filter, this.#limits.pageSize)',
      replace: 'log.stepAfter(this.#cursor, undefined, this.#limits.pageSize)',
    },
    {
      breaks: 'a follower that has caught up does not say so',
      file: follower,
      find: " ||\n      (step.caughtUp && this.#told === 'behind');",
      replace: ';',
      tests: cost,
    },
    {
      breaks: 'a place that another instance has shown is taken for one that never was',
      file: follower,
      find: 'if ((after ?? 0) > log.tail.head) {',
      replace: 'if ((after ?? 0) > log.tail.head + 1_000) {',
      tests: ['test/instances/instances.test.ts'],
    },
    {
      breaks: 'a follower reads on after its signal has aborted',
      file: follower,
      find: 'if (this.#signal.aborted || tail.gone) return',
      replace: 'if (tail.gone) return',
      tests: end,
    },
    {
      breaks: 'the end of a stream has no cursor',
      file: follower,
      find: 'const details = cursor === undefined ? {} : { cursor: cursorOf(cursor) };',
      replace: 'const details = {};',
      tests: end,
    },
    {
      breaks: 'a stream does not end with its user',
      file: follower,
      find: 'if (this.#signal.aborted || tail.gone) return',
      replace: 'if (this.#signal.aborted) return',
      tests: ['test/log/made-anew.test.ts'],
    },
    {
      breaks: 'a follower that has ended keeps its log',
      file: follower,
      find: '    this.#acquired?.[Symbol.dispose]();\n    this.#acquired = undefined;',
      replace: '    this.#acquired = undefined;',
      tests: cost,
    },
    {
      breaks: 'a follower does not wait for a database that is away',
      file: follower,
      find: 'return retry(read, { signal: this.#signal, pauseMs: databaseRetryMs, isTemporary: isUnavailable });',
      replace: 'return retry(read, { signal: this.#signal, pauseMs: databaseRetryMs, isTemporary: () => false });',
      tests: away,
    },
    {
      breaks: 'a follower that waits for the database does not hear of its end',
      file: follower,
      find: 'retry(read, { signal: this.#signal,',
      replace: 'retry(read, { signal: new AbortController().signal,',
      tests: away,
    },
    {
      breaks: 'a follower does not wait for the database before it has its log',
      file: follower,
      find: 'await this.#whileAway(() => this.#logs.acquire(userId))',
      replace: 'await this.#logs.acquire(userId)',
      tests: away,
    },
    {
      breaks: 'a follower does not wait for the database to see whether its cursor is there',
      file: follower,
      find: 'await this.#whileAway(() => log.catchUp())',
      replace: 'await log.catchUp()',
      tests: away,
    },
    {
      breaks: 'a follower does not wait for the database in the middle of its log',
      file: follower,
      find: 'await this.#whileAway(() => log.read(from, this.#limits.pageSize))',
      replace: 'await log.read(from, this.#limits.pageSize)',
      tests: away,
    },
    {
      breaks: 'a log that was deleted and made anew is taken for the same one',
      file: tail,
      find: '(found.createdAt.getTime() !== this.#createdAt || found.headSequence < headBefore)',
      replace: 'found.headSequence < headBefore',
      tests: ['test/instances/lost-wake-ups.test.ts'],
    },
    {
      breaks: 'a shorter log of the same moment is taken for the same one',
      file: tail,
      find: '(found.createdAt.getTime() !== this.#createdAt || found.headSequence < headBefore)',
      replace: 'found.createdAt.getTime() !== this.#createdAt',
      tests: ['test/instances/lost-wake-ups.test.ts'],
    },
    {
      breaks: 'a look that comes late is taken for another log',
      file: tail,
      find: 'found.headSequence < headBefore',
      replace: 'found.headSequence < this.#head',
      tests: cost,
    },
    {
      breaks: 'retention is not noticed by a tail that is known',
      file: tail,
      find: 'this.#oldest = Math.max(this.#oldest, found.tailSequence);',
      replace: '{}',
      tests: ['test/log/follow.test.ts', 'test/log/retention.test.ts'],
    },
    {
      breaks: 'listeners of a log are not told of its news',
      file: tail,
      find: 'for (const listener of [...this.#listeners]) listener.changed();',
      replace: 'for (const listener of [...this.#listeners].slice(0, 1)) listener.changed();',
      tests: ['test/log/follow-cost.test.ts'],
    },
    {
      breaks: 'what memory recalls begins with the cursor',
      file: tail,
      find: 'after - first.sequence + 1 : -1',
      replace: 'after - first.sequence : -1',
    },
    {
      breaks: 'a signal is believed: one that names too high a head stops the log',
      file: followed,
      find: 'else await this.#correctTarget(upTo);',
      replace: 'else await this.#reads.find(this.userId);',
      tests: ['test/instances/lost-wake-ups.test.ts'],
    },
    {
      breaks: 'an advance jumps over what the tail cannot hold, and the reader with it',
      file: followed,
      find: 'if (events[0]?.sequence === after + 1) {',
      replace: 'if (events.length > 0) {',
      tests: ['test/log/retention.test.ts'],
    },
    {
      breaks: 'a read takes one event less, and leaves a hole',
      file: followed,
      find: 'Math.min(after + limit, this.tail.head)',
      replace: 'Math.min(after + limit, this.tail.head) - (limit > 5 ? 1 : 0)',
    },
    {
      breaks: 'lost wake-ups are never made up for',
      file: logs,
      find: 'this.#poll ??= setInterval(() => void this.look(), this.#limits.slowPollMs).unref();',
      replace: 'this.#poll ??= setInterval(() => {}, this.#limits.slowPollMs).unref();',
      tests: cost,
    },
    {
      breaks: 'a deletion is not told to followers',
      file: logs,
      find: 'void this.#wake(followed, (log) => log.catchUp());',
      replace: 'void this.#wake(followed, (log) => log.wake(0));',
      tests: ['test/instances/lost-wake-ups.test.ts'],
    },
    {
      breaks: 'a look that comes while another one is under way is dropped',
      file: logs,
      find: '    this.#isLookDue = true;\n    if (this.#isLooking) return;',
      replace: '    if (this.#isLooking) return;\n    this.#isLookDue = true;',
      tests: ['test/instances/lost-wake-ups.test.ts'],
    },
    {
      breaks: 'a log without followers stays in memory',
      file: logs,
      find: 'if (followed.followers === 0) this.#forget(followed);',
      replace: 'if (followed.followers < 0) this.#forget(followed);',
      tests: cost,
    },
    {
      breaks: 'whoever comes after a deletion meets the old log',
      file: logs,
      find: 'if (log.tail.gone) forget();',
      replace: '',
      tests: ['test/instances/lost-wake-ups.test.ts'],
    },
    {
      breaks: 'every step says that it has caught up',
      file: steps,
      find: 'caughtUp: cursor >= head',
      replace: 'caughtUp: true',
    },
    {
      breaks: 'the cursor stops at the last event that the filter shows',
      file: steps,
      find: 'const cursor = page.at(-1)?.sequence ?? head;\n  const events = filter ? page.filter((event) => matches(event, filter)) : page;',
      replace:
        'const events = filter ? page.filter((event) => matches(event, filter)) : page;\n  const cursor = (events.at(-1) ?? page.at(-1))?.sequence ?? head;',
    },
    {
      breaks: 'followers at one place share their steps whatever their filters are',
      file: steps,
      find: 'const place = filter && cursor < tail.head ? `${cursor}${JSON.stringify(filter)}` : cursor;',
      replace: 'const place = cursor;',
      tests: ['test/log/audiences.test.ts'],
    },
    {
      breaks: 'steps outlive the head that they led to',
      file: steps,
      find: 'if (this.#head !== tail.head) this.#byPlace.clear();',
      replace: '',
    },
  ],
};
