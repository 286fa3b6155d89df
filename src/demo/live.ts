import { between, pick, type Random, shuffled, uuid } from '../lib/random.ts';
import type { EventDraft } from '../log/event.ts';
import { type Account, accountsOf } from './accounts.ts';
import { type Card, cards, suits } from './deck.ts';
import type { Person } from './people.ts';
import type { Scenario } from './scenario.ts';

export interface LiveOptions {
  /** In earnest `Math.random`: a seed used twice repeats event and run ids, which a log refuses. */
  readonly random: Random;
  /** `setTimeout` of `node:timers/promises`, or a stand-in. A rejection after the abort counts as a wake-up. */
  readonly sleep: (ms: number, value: undefined, options: { signal: AbortSignal }) => Promise<unknown>;
  readonly clock: () => Date;
  readonly signal: AbortSignal;
}

/** Runs that are under way at the same time. */
const concurrentScenarios = 5;
/** From one event to the next, of whatever run. */
const pauseMs = { min: 300, max: 1_000 };
/** A later deck holds a given rare card once in so many times. */
const decksPerRareCard = 20;
/** The first person opens, and takes part in this share of what she can, so that her page alone is worth watching. */
const firstPersonsShare = 0.3;

interface Performance {
  readonly account: Account;
  readonly scenario: Scenario;
  nextStep: number;
}

/**
 * Syncs as they happen, a few at a time and slowly enough to watch: the first event at once, then one in every 0.3 to
 * 1 second, for as long as it is asked. Steps come when their turn does, not after the time that the real work takes.
 * Ends on abort, with the runs of that moment unfinished.
 */
export async function* live(
  people: readonly Person[],
  { random, sleep, clock, signal }: LiveOptions,
): AsyncGenerator<EventDraft, void, undefined> {
  const accounts = accountsOf(people);
  const performances: Performance[] = [];
  const deck = endlessDeck(random);

  while (!signal.aborted) {
    fillStage(performances, accounts, deck, random);
    const [first, ...others] = performances;
    if (!first) return;
    const performance = pick(random, [first, ...others]);
    const step = performance.scenario[performance.nextStep];
    performance.nextStep += 1;
    if (performance.nextStep >= performance.scenario.length) {
      performances.splice(performances.indexOf(performance), 1);
    }
    if (!step) continue;
    yield { ...step.draft(clock()), id: uuid(random) };
    try {
      await sleep(between(random, pauseMs.min, pauseMs.max), undefined, { signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

/** Begins scenarios until enough are under way. A card that suits no free account is laid aside. */
function fillStage(
  performances: Performance[],
  accounts: readonly Account[],
  deck: Iterator<Card, never>,
  random: Random,
): void {
  // With few accounts nothing may fit, in which case looking further than a deck would never end.
  for (let tries = 0; tries < 2 * cards.length && performances.length < concurrentScenarios; tries += 1) {
    const card = deck.next().value;
    const busy = new Set(performances.map(({ account }) => account));
    const account = castFor(
      random,
      accounts.filter((candidate) => suits(card, candidate) && !busy.has(candidate)),
      accounts[0]?.person,
      performances.length === 0 ? 1 : firstPersonsShare,
    );
    if (account) performances.push({ account, scenario: card.play(random, account), nextStep: 0 });
  }
}

function castFor(
  random: Random,
  candidates: Account[],
  favourite: Person | undefined,
  favouritesShare: number,
): Account | undefined {
  const favoured = candidates.find(({ person }) => person === favourite);
  if (favoured && random() < favouritesShare) return favoured;
  const [first, ...others] = candidates;
  return first && pick(random, [first, ...others]);
}

/** One shuffled deck after the other, so that everything happens and nothing happens too often. */
function* endlessDeck(random: Random): Generator<Card, never> {
  yield* cards.filter((card) => card.opening);
  yield* shuffled(random, cards.filter((card) => !card.opening).flatMap(copiesOf));
  for (;;) {
    const kept = cards.filter((card) => !card.rare || between(random, 1, decksPerRareCard) === 1);
    yield* shuffled(random, kept.flatMap(copiesOf));
  }
}

function copiesOf(card: Card): Card[] {
  return Array.from({ length: card.copies }, () => card);
}
