import { between, pick, type Random, uuid } from '../../../src/lib/random.ts';

/** What an event states of a type of data, with its keys in the order of the alphabet. */
export interface DraftedType {
  readonly dataType: string;
  readonly state: string;
  readonly kind?: string;
  readonly requested?: { readonly start?: string; readonly end?: string };
  readonly covered?: { readonly start?: string; readonly end?: string };
  readonly daysWithData?: number;
  readonly newestData?: string;
  readonly reportedRecords?: number;
  readonly itemsInserted?: number;
  readonly itemsUpdated?: number;
  readonly nativeType?: string;
  readonly errorCode?: string;
  readonly error?: string;
}

/** An event as a producer sends it. Words are wire words, times ISO strings. */
export interface Draft {
  readonly id: string;
  readonly userId: string;
  readonly runId: string;
  readonly provider: string;
  readonly source: string;
  readonly stage: string;
  readonly status: string;
  readonly message?: string;
  readonly progress?: number;
  readonly itemsProcessed?: number;
  readonly itemsTotal?: number;
  readonly error?: string;
  readonly primaryUserId?: string;
  readonly metadata?: { readonly [key: string]: unknown };
  readonly scope?: string;
  readonly windowStart?: string;
  readonly windowEnd?: string;
  readonly reason?: { readonly class: string; readonly text?: string; readonly retryable?: boolean };
  readonly dataTypes?: readonly DraftedType[];
  readonly startedAt?: string;
  readonly endedAt?: string;
  readonly timestamp?: string;
}

type Ending = readonly [stage: string, status: string];

export const providers = ['garmin', 'oura', 'polar'] as const;
const endings: readonly [Ending, ...Ending[]] = [
  ['completed', 'success'],
  ['completed', 'partial'],
  ['completed', 'skipped'],
  ['failed', 'failed'],
  ['cancelled', 'cancelled'],
];
/** Reports that sound like an end and are none: the run itself can still go on. */
const guesses: readonly [Ending, ...Ending[]] = [
  ['saving', 'stale'],
  ['processing', 'unfinished'],
];

/** Runs that all recorders report to, so that one's event comes after another has finished the run. */
const SHARED_RUNS = 12;

/**
 * Makes the events of one recorder: runs that start, go on, mostly end, and sometimes say more after their end. Every
 * optional field is there or not at random.
 */
export function createEventMaker(random: Random, name: string): (userId: string) => Draft {
  const own = new Map<string, { runId: string; events: number }>();
  let runs = 0;
  const chance = (probability: number) => random() < probability;
  const time = () => new Date(Date.UTC(2026, 0, 1) + between(random, 0, 30 * 86_400_000)).toISOString();

  function runOf(userId: string): { runId: string; first: boolean } {
    if (chance(0.3))
      return { runId: `shared ${between(random, 1, SHARED_RUNS)} of ${userId.slice(0, 8)}`, first: false };
    const current = own.get(userId);
    if (current && chance(0.85)) {
      current.events += 1;
      return { runId: current.runId, first: false };
    }
    runs += 1;
    const runId = `${name}/${runs}`;
    own.set(userId, { runId, events: 1 });
    return { runId, first: true };
  }

  /** With its keys in the order of the alphabet. */
  const metadata = () => ({
    attempt: between(random, 1, 5),
    ...(chance(0.5) && { batch_id: `batch ${between(random, 1, 4)}` }),
    ...(chance(0.5) && { inserted: between(random, 0, 999) }),
    nested: { list: [1, null, 'ü'], ok: true },
    ...(chance(0.3) && { params: { data_247: { hrv: { inserted: between(random, 0, 9), updated: 1 }, sleep: 0 } } }),
    ...(chance(0.3) && { pending_types: ['hrv', 'steps'] }),
    ...(chance(0.2) && { trace_id: `trace ${between(random, 1, 9)}` }),
    ...(chance(0.3) && { types: ['steps', 'sleep'] }),
    ...(chance(0.5) && { updated: between(random, 0, 9) }),
    ...(chance(0.3) && { workouts_saved: between(random, 0, 3) }),
  });

  const span = () => {
    const [first, second] = [time(), time()];
    const [start, end] = first < second ? [first, second] : [second, first];
    return { ...(chance(0.8) && { end }), ...(chance(0.8) && { start }) };
  };
  const spanOf = (name: string) => {
    const told = span();
    return chance(0.4) && Object.keys(told).length > 0 ? { [name]: told } : {};
  };
  const stated = (dataType: string): DraftedType => ({
    ...spanOf('covered'),
    dataType,
    ...(chance(0.3) && { daysWithData: between(random, 0, 30) }),
    ...(chance(0.2) && { error: pick(random, ['HTTP 503', 'ü']) }),
    ...(chance(0.2) && { errorCode: 'e' }),
    ...(chance(0.5) && { itemsInserted: between(random, 0, 99) }),
    ...(chance(0.5) && { itemsUpdated: between(random, 0, 99) }),
    ...(chance(0.5) && { kind: pick(random, ['series', 'score', 'task']) }),
    ...(chance(0.2) && { nativeType: pick(random, ['HKa', 'HKb']) }),
    ...(chance(0.3) && { newestData: time() }),
    ...(chance(0.2) && { reportedRecords: between(random, 0, 99) }),
    ...spanOf('requested'),
    state: pick(random, ['pending', 'syncing', 'complete', 'partial', 'failed', 'not_granted', 'not_supported']),
  });

  return (userId) => {
    const { runId, first } = runOf(userId);
    const dice = random();
    const [stage, status] =
      dice < 0.12
        ? pick(random, endings)
        : dice < 0.16
          ? pick(random, guesses)
          : ([pick(random, ['queued', 'started', 'fetching', 'processing', 'saving']), 'in_progress'] as const);
    return {
      id: uuid(random),
      userId,
      runId,
      provider: pick(random, providers),
      source: pick(random, ['pull', 'webhook', 'sdk', 'backfill', 'xml_import', 'linked_account']),
      stage,
      status,
      ...(chance(0.3) && {
        message: `Tag ${between(random, 1, 99)} · ✓ "quoted" \\ ${'é'.repeat(between(random, 0, 40))}`,
      }),
      ...(chance(0.3) && { progress: between(random, 0, 1000) / 1000 }),
      ...(chance(0.3) && { itemsProcessed: between(random, 0, 2_147_483_647) }),
      ...(chance(0.2) && { itemsTotal: between(random, 0, 500) }),
      ...(chance(0.1) && { error: `Boom\n  at line ${between(random, 1, 500)}` }),
      ...(chance(0.1) && { primaryUserId: uuid(random) }),
      ...(chance(0.4) && { metadata: metadata() }),
      ...(chance(0.3) && { scope: pick(random, ['historical', 'live']) }),
      ...(chance(0.1) && { windowStart: time() }),
      ...(chance(0.1) && { windowEnd: time() }),
      ...(chance(0.1) && {
        reason: {
          class: pick(random, ['TIMEOUT', 'OTHER']),
          ...(chance(0.5) && { text: 'ü', retryable: chance(0.5) }),
        },
      }),
      ...(chance(0.2) && { dataTypes: ['hrv', 'steps', 'mood'].filter(() => chance(0.6)).map(stated) }),
      ...((first || chance(0.05)) && { startedAt: time() }),
      ...(status !== 'in_progress' && chance(0.8) && { endedAt: time() }),
      ...(chance(0.7) && { timestamp: time() }),
    };
  };
}

/** As GraphQL takes it. */
export function toInput({ source, stage, status, scope, dataTypes, ...rest }: Draft): object {
  const words = { source: source.toUpperCase(), stage: stage.toUpperCase(), status: status.toUpperCase() };
  const types = dataTypes?.map(({ state, kind, ...type }) => ({
    ...type,
    state: state.toUpperCase(),
    kind: kind?.toUpperCase(),
  }));
  return { ...rest, ...words, dataTypes: types, ...(scope !== undefined && { scope: scope.toUpperCase() }) };
}

/** As REST takes it, which knows neither reasons nor types of data. */
export function toWire(draft: Draft): object {
  const names = Object.entries(draft).map(([name, value]) => [
    name === 'id' ? 'event_id' : name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ]);
  return Object.fromEntries(names);
}
