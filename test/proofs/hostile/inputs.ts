import fc from 'fast-check';
import type { GraphQLSchema } from 'graphql';
import { craftedInputs } from './crafted/crafted-inputs.ts';
import { doors, inputsFor } from './generated/generated-inputs.ts';
import { type Input, textOf, toCommand } from './input.ts';
import { problemsOf } from './judge.ts';
import { inLanes } from './lanes.ts';
import type { Line } from './line.ts';
import { inventoryFigures, inventoryProblems, REST_MS } from './rest.ts';
import { send } from './send.ts';
import type { Sizes } from './sizes.ts';
import type { Target } from './target.ts';

/** Inputs that are under way at once. */
const LANES = 6;
/** Attacks with generated inputs, of which the last is to find no more memory than the one before. */
const PARTS = 3;
/** How often a smaller input is looked for that breaks the promise as well. */
const SHRINKS = 150;

export interface Attack {
  readonly target: Target;
  readonly schema: GraphQLSchema;
  readonly sizes: Sizes;
  readonly seed: number;
}

/** No input, whatever it is, crashes the server, hangs, is answered with 500, or shows what is inside. */
export async function proveInputs(attack: Attack): Promise<Line> {
  const { target, schema, sizes } = attack;
  const tally = new Tally(attack);
  const crafted = craftedInputs(schema, target);
  const chosen = crafted.filter((_, index) => index % sizes.everyCrafted === 0);

  for (const input of chosen.slice(0, 200)) await tally.send(input); // what a server takes for good, it takes by now
  const before = await target.takeAtRest(REST_MS);
  await inLanes(chosen, LANES, async (input) => {
    const problems = await tally.send(input);
    if (problems.length > 0) tally.found(input, problems);
  });
  const looks = [await target.takeAtRest(REST_MS)];
  for (let part = 0; part < PARTS; part += 1) {
    await Promise.all(doors.map((door, index) => generate(attack, tally, door, part * doors.length + index)));
    looks.push(await target.takeAtRest(REST_MS));
  }
  const [between = before, after = before] = looks.slice(-2);

  const states = [...tally.statuses].sort().map(([status, count]) => `${count} x ${status}`);
  return {
    promise: 'no input breaks the server or shows what is inside',
    figures: {
      crafted: chosen.length,
      kinds: new Set(chosen.map(({ kind }) => kind)).size,
      generated: sizes.generated,
      'answered with data': tally.withData,
      statuses: states.join(' '),
      broken: tally.wrong.length,
      'slowest (ms)': Math.round(tally.slowestMs),
      ...inventoryFigures([before, ...looks]),
    },
    wrong: [
      ...tally.wrong,
      ...inventoryProblems(before, after),
      ...(sizes.everyCrafted === 1 ? inventoryProblems(between, after, true) : []), // fewer do not fill what is kept
      ...(target.isAlive() ? [] : ['the process has ended']),
    ],
  };
}

async function generate(attack: Attack, tally: Tally, door: (typeof doors)[number], index: number): Promise<void> {
  const { schema, target, sizes, seed } = attack;
  let tries = SHRINKS;
  let first: readonly string[] = [];
  const property = fc.asyncProperty(inputsFor(door, schema, target), async (input) => {
    if (tries === 0) return true; // small enough
    const problems = await tally.send(input);
    const isGood = problems.length === 0;
    if (!isGood && first.length === 0) first = problems;
    if (!isGood || tries < SHRINKS) tries -= 1;
    return isGood;
  });
  const numRuns = Math.ceil(sizes.generated / PARTS / doors.length);
  const { counterexample } = await fc.check(property, { seed: seed + index, numRuns });
  const [smallest] = counterexample ?? [];
  if (!smallest) return;
  const again = await tally.send(smallest);
  tally.found(smallest, again.length > 0 ? again : first.map((problem) => `once ${problem}, and not again`));
}

/** What has come of inputs so far. */
class Tally {
  readonly statuses = new Map<string, number>();
  readonly wrong: string[] = [];
  withData = 0;
  slowestMs = 0;
  readonly #attack: Attack;

  constructor(attack: Attack) {
    this.#attack = attack;
  }

  /** Sends an input, and returns what is wrong with its answer. */
  async send(input: Input): Promise<string[]> {
    const { target, sizes } = this.#attack;
    const answer = await send(target.url, input, sizes.patienceMs);
    const status = input.form === 'socket' ? `socket ${answer.status || 'open'}` : String(answer.status || 'cut');
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    if (/"data":\{"/.test(answer.text)) this.withData += 1;
    this.slowestMs = Math.max(this.slowestMs, answer.ms);
    return problemsOf(answer, textOf(input), target.secrets);
  }

  found(input: Input, problems: readonly string[]): void {
    const what = problems.join(', ');
    this.wrong.push(
      `${input.kind} by ${input.door}: ${what}\n      ${toCommand(input, this.#attack.target.url).slice(0, 2_000)}`,
    );
  }
}
