import type { Area } from './fault.ts';

const place = 'src/log/retention.ts';

/** What is removed from the old end of logs, and when. */
export const retention: Area = {
  name: 'retention',
  tests: ['test/log/retention.test.ts'],
  faults: [
    {
      breaks: 'a batch of retention looks at the whole log',
      file: place,
      find: 'const upTo = Math.min(from + retentionBatch, highestTail);',
      replace: 'const upTo = highestTail;',
    },
    {
      breaks: 'retention removes all that is due in one batch',
      file: place,
      find: 'tail = Math.min(tail + retentionBatch, newTail);',
      replace: 'tail = newTail;',
    },
    {
      breaks: 'retention takes one of the newest events',
      file: place,
      find: 'log.headSequence - this.#limits.retainedEvents + 1',
      replace: 'log.headSequence - this.#limits.retainedEvents + 2',
    },
    {
      breaks: 'retention leaves one event more',
      file: place,
      find: 'log.headSequence - this.#limits.retainedEvents + 1',
      replace: 'log.headSequence - this.#limits.retainedEvents',
    },
    {
      breaks: 'retention looks at the first users only',
      file: place,
      find: 'after = logs.at(-1)?.userId;\n      if (after === undefined) break;',
      replace:
        'if (after !== undefined) break;\n      after = logs.at(-1)?.userId;\n      if (after === undefined) break;',
    },
    {
      breaks: 'retention goes on behind an event that has to be kept',
      file: place,
      find: '      if (oldestYoung !== undefined) break;\n',
      replace: '',
    },
    {
      breaks: 'retention stops at the first batch of which it knows no age',
      file: place,
      find: 'const newTail = newestOld === undefined ? tail : newestOld + 1;',
      replace: 'if (newestOld === undefined) break;\n      const newTail = newestOld + 1;',
    },
    {
      breaks: 'retention keeps the newest event that is too old',
      file: place,
      find: 'newestOld === undefined ? tail : newestOld + 1',
      replace: 'newestOld === undefined ? tail : newestOld',
    },
    {
      breaks: 'a user who is locked ends the sweep',
      file: place,
      find: 'if (isHeldUp(error)) return undefined;',
      replace: '',
      tests: ['test/db/locked-rows.test.ts'],
    },
    {
      breaks: 'a clock that is doubted is gone by',
      file: place,
      find: '    if (!isBelieved) return { events: 0, runs: 0 };\n',
      replace: '',
    },
    {
      breaks: 'every sweep tells again that the clock is doubted',
      file: place,
      find: 'if (!isBelieved && !this.#doubtsClock) this.#onDoubt(now);',
      replace: 'if (!isBelieved) this.#onDoubt(now);',
    },
    {
      breaks: 'the server does not sweep by itself',
      file: 'src/open-services.ts',
      find: '  retention.start();\n',
      replace: '',
    },
    {
      breaks: 'events are kept two days longer',
      file: place,
      find: 'this.#keepMs = options.days * DAY_MS;',
      replace: 'this.#keepMs = (options.days + 2) * DAY_MS;',
    },
    {
      breaks: 'a log that was made anew is cut like the one before',
      file: 'src/log/sql/sqlite.ts',
      find: ' WHERE id = ${id} AND created_at = ${createdAt}',
      replace: ' WHERE id = ${id} AND created_at <= ${new Date(8e15)}',
    },
    {
      breaks: 'a log that was made anew is cut like the one before on Postgres',
      file: 'src/log/sql/postgres.ts',
      find: 'WHERE id = ${id}::uuid AND created_at = ${createdAt}',
      replace: 'WHERE id = ${id}::uuid AND created_at <= ${new Date()}',
      tests: ['test/log/retention.test.ts'],
      project: 'postgresql',
    },
    {
      breaks: 'two sweeps move a tail back',
      file: 'src/log/sql/sqlite.ts',
      find: 'max(tail_sequence, ${tail})',
      replace: '${tail}',
    },
    {
      breaks: 'what is removed is not told of by the tail',
      file: 'src/log/cut-log.ts',
      find: '(await sql.raiseTail(transaction, user, newTail))',
      replace: '(await sql.raiseTail(transaction, user, 1))',
    },
    {
      breaks: 'the event at the new tail is removed',
      file: 'src/log/sql/log-ends.ts',
      find: 'DELETE FROM sync_event WHERE user_id = ${user} AND sequence < ${tail}',
      replace: 'DELETE FROM sync_event WHERE user_id = ${user} AND sequence <= ${tail}',
    },
    {
      breaks: 'runs without events stay',
      file: 'src/log/sql/log-ends.ts',
      find: 'AND last_sequence < ${tail}',
      replace: 'AND last_sequence < ${tail} - 100',
    },
    {
      breaks: 'runs go that still have an event',
      file: 'src/log/sql/log-ends.ts',
      find: 'AND last_sequence < ${tail}',
      replace: 'AND last_sequence <= ${tail}',
    },
    {
      breaks: 'what was recorded later than now keeps all that follows it',
      file: 'src/log/sql/log-ends.ts',
      find: 'recorded_at >= ${cutoff} AND (recorded_at <= ${latest} OR ${isYoungToProducer})',
      replace: 'recorded_at >= ${cutoff} AND ${latest} IS NOT NULL',
    },
    {
      breaks: 'what was recorded later than now goes, however young its producer says it is',
      file: 'src/log/sql/log-ends.ts',
      find: '(recorded_at <= ${latest} OR ${isYoungToProducer})',
      replace: 'recorded_at <= ${latest}',
    },
    {
      breaks: 'the age of a batch is that of its first event that is too old',
      file: 'src/log/sql/log-ends.ts',
      find: "age === 'young' ? sql`ASC` : sql`DESC`",
      replace: "age === 'young' ? sql`ASC` : sql`ASC`",
    },
    {
      breaks: 'a look at the ages reaches into the next batch',
      file: 'src/log/sql/log-ends.ts',
      find: 'sequence < ${end} AND user_id',
      replace: 'sequence <= ${end} AND user_id',
    },
    {
      breaks: 'a jump of the clock is believed',
      file: 'src/log/believed-time.ts',
      find: 'if (!isApart(now, believedAt, jumpMs)) return believed;',
      replace: 'if (!isApart(now, believedAt, 1e15)) return believed;',
    },
    {
      breaks: 'a clock is believed a little before it has lasted',
      file: 'src/log/believed-time.ts',
      find: 'isApart(now, doubtedSince, doubtMs)',
      replace: 'isApart(now, doubtedSince, doubtMs - 1)',
    },
    {
      breaks: 'another jump does not begin the doubt anew',
      file: 'src/log/believed-time.ts',
      find: 'doubtedSince <= now && !isApart(now, doubtedAt, jumpMs)',
      replace: 'doubtedSince <= now',
    },
    {
      breaks: 'a clock that goes back goes on with the doubt',
      file: 'src/log/believed-time.ts',
      find: 'doubtedSince && doubtedSince <= now && ',
      replace: 'doubtedSince && ',
    },
    {
      breaks: 'a clock that goes back is believed at once',
      file: 'src/log/believed-time.ts',
      find: 'Math.abs(now.getTime() - then.getTime()) > ms',
      replace: 'now.getTime() - then.getTime() > ms',
    },
    {
      breaks: 'a longer jump is believed at once',
      file: 'src/log/believed-time.ts',
      find: 'Math.abs(now.getTime() - then.getTime()) > ms',
      replace: 'Math.abs(now.getTime() - then.getTime()) > ms + 1',
    },
    {
      breaks: 'before the first sweep every clock is believed',
      file: 'src/log/believed-time.ts',
      find: 'believedAt ?? (await findNewest(transaction))',
      replace: 'believedAt',
      tests: ['test/log/retention.test.ts'],
    },
  ],
};
