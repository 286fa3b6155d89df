import { fork } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findPlanted } from './find-planted.ts';
import { planted } from './planted.ts';
import { type Outcome, Schedule } from './schedule.ts';

const help = `Runs the delivery of the log and of runs on a seeded scheduler: real recorders, followers, wake-ups, streams of runs,
retention and leases of several instances on virtual time, with a model of the database and of the network between them.

npm run simulate                        10,000 schedules with a fresh seed
npm run simulate -- --schedules N       as many as that
npm run simulate -- --from SEED         those that begin with this seed, the same again
npm run simulate -- --seed SEED         one schedule, told as a story
npm run simulate -- --first             ends with the first schedule that violates a promise
npm run simulate -- --planted           plants the faults of test/simulation/planted.ts, and says after how many each is found
npm run simulate -- --planted --only T  those of whose description or file T is a part

It prints what was run and every violation of a promise with its seed, and exits with 1 if there is any.
`;

/** Schedules that a process runs before it reports: often enough to show that something happens. */
const SHARE = 100;
/** Shares after which a process gives way to a new one: Node keeps signals that never abort, as those of the killed. */
const SHARES_OF_PROCESS = 8;
const SHOWN_VIOLATIONS = 20;

interface Sum {
  schedules: number;
  events: number;
  faults: number;
  steps: number;
  readonly violated: Pick<Outcome, 'seed' | 'violations'>[];
}

const options = parseOptions();

if (options.help) process.stdout.write(help);
else if (options.worker) work();
else if (options.seed !== undefined) await tell(wholeNumber('seed', options.seed));
else {
  const from = options.from === undefined ? randomInt(2 ** 31) : wholeNumber('from', options.from);
  const schedules = wholeNumber('schedules', options.schedules);
  if (options.planted) await plant(from, schedules);
  else await simulate(from, schedules);
}

function parseOptions() {
  try {
    const { values } = parseArgs({
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        schedules: { type: 'string', default: '10000' },
        from: { type: 'string' },
        seed: { type: 'string' },
        first: { type: 'boolean', default: false },
        planted: { type: 'boolean', default: false },
        only: { type: 'string', default: '' },
        worker: { type: 'boolean', default: false },
      },
    });
    return values;
  } catch (error) {
    refuse(`${error instanceof Error ? error.message : error} (see --help)`);
  }
}

function refuse(reason: string): never {
  process.stderr.write(`simulate: ${reason}\n`);
  process.exit(2);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0 && text.trim() !== '') return value;
  return refuse(`--${name} must be a whole number, this is "${text}"`);
}

async function plant(from: number, schedules: number): Promise<void> {
  const meant = planted.filter(({ breaks, file }) => `${breaks}\n${file}`.includes(options.only));
  if (meant.length === 0) refuse(`there is no planted fault about ${options.only}`);
  process.exitCode = Math.min(1, await findPlanted(meant, { from, schedules }, say));
}

/** In a process of its own: each message asks for a share of the schedules. */
function work(): void {
  process.on('message', (share: { from: number; to: number }) => {
    void runShare(share).then((sum) => process.send?.(sum));
  });
}

async function runShare({ from, to }: { readonly from: number; readonly to: number }): Promise<Sum> {
  const sum: Sum = { schedules: 0, events: 0, faults: 0, steps: 0, violated: [] };
  for (let seed = from; seed < to; seed += 1) add(sum, await new Schedule(seed).run());
  return sum;
}

function add(sum: Sum, { seed, events, faults, steps, violations }: Outcome): void {
  sum.schedules += 1;
  sum.events += events;
  sum.faults += faults;
  sum.steps += steps;
  if (violations.length > 0) sum.violated.push({ seed, violations });
}

async function simulate(from: number, schedules: number): Promise<void> {
  const begun = performance.now();
  const sum: Sum = { schedules: 0, events: 0, faults: 0, steps: 0, violated: [] };
  let next = from;
  const isOver = () => next >= from + schedules || (options.first && sum.violated.length > 0);
  const runProcess = () =>
    new Promise<void>((resolve, reject) => {
      const child = fork(fileURLToPath(import.meta.url), ['--worker'], { execArgv: ['--import', 'tsx'] });
      let shares = 0;
      const ask = () => {
        if (isOver() || shares === SHARES_OF_PROCESS) return child.disconnect();
        const to = Math.min(next + SHARE, from + schedules);
        child.send({ from: next, to });
        next = to;
        shares += 1;
        return undefined;
      };
      child.on('message', (share: Sum) => {
        for (const key of ['schedules', 'events', 'faults', 'steps'] as const) sum[key] += share[key];
        sum.violated.push(...share.violated);
        progress(sum, schedules);
        ask();
      });
      child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a process ended with ${code}`))));
      ask();
    });
  const worker = async () => {
    while (!isOver()) await runProcess();
  };
  process.stdout.write(`schedules from seed ${from} on\n`);
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  report(sum, from, (performance.now() - begun) / 1_000);
}

/** Where people look on, one line that is written over. */
function progress({ schedules, violated }: Sum, of: number): void {
  if (process.stdout.isTTY) process.stdout.write(`\r${schedules} of ${of}, ${violated.length} with violations `);
}

function report({ schedules, events, faults, steps, violated }: Sum, from: number, seconds: number): void {
  if (process.stdout.isTTY) process.stdout.write('\r\x1b[K');
  violated.sort((a, b) => a.seed - b.seed);
  for (const { seed, violations } of violated.slice(0, SHOWN_VIOLATIONS))
    process.stdout.write(`VIOLATED, seed ${seed}: ${violations[0]}\n`);
  const [first] = violated;
  if (first)
    process.stdout.write(
      `the first after ${first.seed - from + 1} schedules; its story: npm run simulate -- --seed ${first.seed}\n`,
    );
  process.stdout.write(
    `${schedules} schedules, ${events} events, ${faults} faults, ${steps} steps, ${violated.length} with violations, ${seconds.toFixed(0)} s\n`,
  );
  process.exitCode = violated.length > 0 ? 1 : 0;
}

async function tell(seed: number): Promise<void> {
  const { story, violations, events, faults } = await new Schedule(seed, { isTold: true }).run();
  process.stdout.write(`${story.join('\n')}\n`);
  process.stdout.write(`seed ${seed}: ${events} events, ${faults} faults, ${violations.length} violations\n`);
  process.exitCode = violations.length > 0 ? 1 : 0;
}
