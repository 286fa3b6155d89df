import type { Area } from './fault.ts';

const doorbell = 'src/instances/doorbell.ts';
const notify = 'src/instances/notify-wire.ts';
const redis = 'src/instances/redis-wire.ts';
const wires = ['test/instances/wires.test.ts'];
const leases = ['test/instances/leases.test.ts'];
const lost = ['test/instances/lost-wake-ups.test.ts'];

/** What instances say to one another, and what they hold one at a time. */
export const instances: Area = {
  name: 'instances',
  tests: ['test/instances/doorbell.test.ts'],
  faults: [
    {
      breaks: 'NOTIFY has no heartbeat',
      file: notify,
      find: "await Promise.all([heard, this.send('heartbeat')]);",
      replace: 'heard.catch(() => {});',
      tests: wires,
    },
    {
      breaks: 'nobody looks when NOTIFY is back',
      file: notify,
      find: '        onGap();\n',
      replace: '',
      tests: wires,
    },
    {
      breaks: 'Redis has no heartbeat',
      file: redis,
      find: 'setInterval(() => void beat(), HEARTBEAT_MS).unref()',
      replace: 'setInterval(() => {}, HEARTBEAT_MS).unref()',
      tests: wires,
    },
    {
      breaks: 'a heartbeat over Redis need not come back',
      file: redis,
      find: "await Promise.all([heard, publish('heartbeat')]);",
      replace: "heard.catch(() => {});\n      await publish('heartbeat');",
      tests: wires,
    },
    {
      breaks: 'nobody looks when Redis is back',
      file: redis,
      find: '      if (!isProven) onGap();\n',
      replace: '',
      tests: wires,
    },
    {
      breaks: 'nobody looks when the doorbell is back',
      file: 'src/log/follow/followed-logs.ts',
      find: '      () => void this.look(),\n',
      replace: '',
      tests: lost,
    },
    {
      breaks: 'streams of runs do not look when the doorbell is back',
      file: 'src/log/changes/row-changes.ts',
      find: '() => this.#watch?.lookNow(),',
      replace: '',
      tests: lost,
    },
    {
      breaks: 'a look at runs that is asked for during another one is none',
      file: 'src/log/changes/row-watch.ts',
      find: '      this.#resting = new AbortController();\n      await this.#retry(() => this.#look());\n',
      replace: '      await this.#retry(() => this.#look());\n      this.#resting = new AbortController();\n',
      tests: lost,
    },
    {
      breaks: 'an instance whose doorbell is back tells nobody that it could not ring',
      file: doorbell,
      find: '      wire.send(JSON.stringify([self, LOOK]));\n',
      replace: '',
      tests: lost,
    },
    {
      breaks: 'who hears that another instance could not ring does not look',
      file: doorbell,
      find: 'if (said === LOOK) wakeUps.tellGap();',
      replace: 'if (said === LOOK) return;',
      tests: lost,
    },
    {
      breaks: 'changes that are collected say where the last one began',
      file: doorbell,
      find: 'previousHead: Math.min(earlier.previousHead, later.previousHead)',
      replace: 'previousHead: later.previousHead',
    },
    {
      breaks: 'changes that are collected say what the first one said',
      file: doorbell,
      find: 'return { ...later, previousHead: Math.min(earlier.previousHead, later.previousHead) };',
      replace: 'return earlier;',
    },
    {
      breaks: 'what has changed beside the log is merged with how the log has grown',
      file: doorbell,
      find: "change.kind === 'touched' ? `${TOUCHED} ${change.userId}` : change.userId",
      replace: 'change.userId',
    },
    {
      breaks: 'a deletion is merged with what the new log says',
      file: doorbell,
      find: "if (change.kind === 'deleted') send();\n    else timer",
      replace: 'timer',
    },
    {
      breaks: 'each change is a message of its own',
      file: doorbell,
      find: 'else timer ??= setTimeout(send, COLLECT_MS);',
      replace: 'else send();',
    },
    {
      breaks: 'the news of the last transactions is lost at the end',
      file: doorbell,
      find: '      stopRelaying();\n      send();',
      replace: '      stopRelaying();',
    },
    {
      breaks: 'an instance hears itself',
      file: doorbell,
      find: '      if (message.startsWith(ownStart)) return;\n',
      replace: '',
    },
    {
      breaks: 'a message that holds one bad change says nothing',
      file: doorbell,
      find: 'if (!change) return [];',
      replace: "if (!change) throw new Error('A bad change');",
    },
    {
      breaks: 'changes of others are passed on',
      file: 'src/instances/wake-ups.ts',
      find: '  hear(change: LogChange): void {\n',
      replace:
        "  hear(change: LogChange): void {\n    for (const relay of this.#relays) if (change.kind === 'grown') relay(change);\n",
    },
    {
      breaks: 'a lease is taken from its holder',
      file: 'src/instances/lease.ts',
      find: 'AND (holder = ${holder} OR holder IS NULL OR held_until <= ${now})',
      replace: 'AND (true OR held_until <= ${now})',
      tests: leases,
    },
    {
      breaks: 'a lease that has ended is not taken',
      file: 'src/instances/lease.ts',
      find: ' OR held_until <= ${now})',
      replace: ' OR held_until < ${now} - 3600000)',
      tests: leases,
    },
    {
      breaks: 'a lease is given up by whoever does not hold it',
      file: 'src/instances/lease.ts',
      find: 'where: { name, holder }',
      replace: 'where: { name }',
      tests: leases,
    },
    {
      breaks: 'a lease is not renewed while its holder works',
      file: 'src/instances/hold.ts',
      find: 'await source.save().catch((error: unknown) => onError(error))',
      replace: 'await Promise.resolve<boolean | undefined>(undefined)',
      tests: leases,
    },
    {
      breaks: 'work goes on after its lease was lost',
      file: 'src/instances/hold.ts',
      find: 'if (isHeld === false) lost.abort();',
      replace: '',
      tests: leases,
    },
    {
      breaks: 'a lease is kept by whoever stops',
      file: 'src/instances/hold.ts',
      find: 'if (closing.signal.aborted) await source.release().catch(onError);',
      replace: '',
      tests: leases,
    },
    {
      breaks: 'a lease counts as lost while the database is away',
      file: 'src/instances/hold.ts',
      find: 'if (isHeld === false) lost.abort();',
      replace: 'if (!isHeld) lost.abort();',
      tests: leases,
    },
  ],
};
