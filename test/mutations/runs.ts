import type { Area } from './fault.ts';

/** What runs come to, and who is told of their changes. */
export const runs: Area = {
  name: 'runs',
  tests: ['test/nouns/run-health.test.ts'],
  faults: [
    {
      breaks: 'a run has stalled one millisecond late, in SQL only',
      file: 'src/runs/run-health.ts',
      find: 'r.recorded_at <= ${before(',
      replace: 'r.recorded_at < ${before(',
    },
    {
      breaks: 'runs of a time of recording are found by the words of each kind',
      file: 'src/runs/runs.ts',
      find: ' && !isTold(filter);',
      replace: ';',
      tests: ['test/log/filters-agree.test.ts'],
    },
    {
      breaks: 'a run has stalled one millisecond late, out of SQL only',
      file: 'src/runs/run-health.ts',
      find: 'if (silentMs >= stalledAfterMs)',
      replace: 'if (silentMs > stalledAfterMs)',
    },
    {
      breaks: 'a run is quiet one millisecond late',
      file: 'src/runs/run-health.ts',
      find: "return silentMs >= quietAfterMs ? 'quiet' : 'active';",
      replace: "return silentMs > quietAfterMs ? 'quiet' : 'active';",
    },
    {
      breaks: 'what a producer calls silent is active',
      file: 'src/runs/run-health.ts',
      find: 'silentStatuses.includes(wordOf(run.status)) || ',
      replace: '',
      tests: ['test/nouns/words-as-written.test.ts'],
    },
    {
      breaks: 'raw words of events and runs lose their case',
      file: 'src/events/words.graphql.ts',
      find: "statusRaw: t.exposeString('status', {",
      replace: 'statusRaw: t.string({\n      resolve: ({ status }) => status.toLowerCase(),',
      tests: ['test/nouns/words-as-written.test.ts'],
    },
    {
      breaks: 'a new word of a status is lost',
      file: 'src/events/words.graphql.ts',
      find: "statusRaw: t.exposeString('status', {",
      replace: 'statusRaw: t.string({\n      resolve: ({ status }) => enumValueOf(statusWords, status).toLowerCase(),',
      tests: ['test/nouns/words-as-written.test.ts'],
    },
    {
      breaks: 'a run ends by its status alone',
      file: 'src/log/words.ts',
      find: 'isTerminal(status) || terminalStages.includes(wordOf(stage))',
      replace: 'isTerminal(status)',
      tests: ['test/nouns/words-as-written.test.ts'],
    },
    {
      breaks: 'a status in upper case ends no run',
      file: 'src/log/words.ts',
      find: 'terminalStatuses.includes(wordOf(status))',
      replace: 'terminalStatuses.includes(status)',
      tests: ['test/nouns/words-as-written.test.ts'],
    },
    {
      breaks: 'a run that never rests is told to no reader who is slow',
      file: 'src/runs/run-subscriber.ts',
      find: 'this.#waiting.set(runKey(change.run), change);',
      replace: 'this.#waiting.delete(runKey(change.run));\n    this.#waiting.set(runKey(change.run), change);',
      tests: ['test/nouns/runs-subscription.test.ts'],
    },
    {
      breaks: 'a run that waits for its reader is told in an old state',
      file: 'src/runs/run-subscriber.ts',
      find: 'this.#waiting.set(runKey(change.run), change);',
      replace: 'if (!this.#waiting.has(runKey(change.run))) this.#waiting.set(runKey(change.run), change);',
      tests: ['test/nouns/runs-subscription.test.ts'],
    },
    {
      breaks: 'a look at runs that has failed counts',
      file: 'src/runs/recent-runs.ts',
      find: '    const found = last ? await this.#readChanged(last, now) : [];\n',
      replace: '    this.#last = now;\n    const found = last ? await this.#readChanged(last, now) : [];\n',
      tests: ['test/nouns/runs-subscription.test.ts'],
    },
    {
      breaks: 'changed runs that could not be read are forgotten',
      file: 'src/runs/run-watch.ts',
      find: '        for (const { userId, after } of logs) this.#add(userId, after);\n',
      replace: '',
      tests: ['test/nouns/runs-subscription.test.ts'],
    },
  ],
};
