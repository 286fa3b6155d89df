import { between, pick, type Random, shuffled, uuid } from '../../../src/lib/random.ts';
import type { Headers } from '../server.ts';
import { createEventMaker, type Draft, toInput, toWire } from './event-maker.ts';

/** What recorders share. */
export interface RecorderWorld {
  readonly url: string;
  readonly headers: Headers;
  readonly userIds: readonly [string, ...string[]];
  readonly listening: () => Promise<void>;
  /** One more at each call: what happened at a lower number happened before. */
  readonly now: () => number;
  /** Called after each acknowledged request with the number of its new events. */
  readonly acknowledged: (events: number) => void;
  readonly enough: () => boolean;
}

/** An event that was acknowledged, and all that its acknowledgement says. */
export interface Acknowledgement {
  readonly draft: Draft;
  readonly sequence: number;
  /** Whether the recorder could have known that it sends the event for the first time. */
  readonly retried: boolean;
  readonly duplicate: boolean;
  readonly sentAt: number;
  readonly answeredAt: number;
}

export interface RecorderReport {
  readonly acknowledgements: Acknowledgement[];
  /** Ids of events that the server has refused, or had to. */
  readonly refused: string[];
  /** Answers that contradict the contract. */
  readonly problems: string[];
  requests: number;
  /** Requests without an answer. */
  failures: number;
}

type Answer =
  | { readonly kind: 'recorded'; readonly results: { id: string; sequence: number; duplicate: boolean }[] }
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'none' };

const mutation = `mutation ($events: [SyncEventInput!]!) {
  recordSyncEvents(input: { events: $events }) { results { duplicate event { id sequence } } }
}`;
const restCodes: Readonly<Record<number, string>> = {
  400: 'BAD_USER_INPUT',
  404: 'NOT_FOUND',
  409: 'EVENT_ID_CONFLICT',
  503: 'UNAVAILABLE',
};

/** Records random batches until there are enough. A batch without an answer is sent again, with the same ids. */
export async function runRecorder(world: RecorderWorld, random: Random, name: string): Promise<RecorderReport> {
  const makeEvent = createEventMaker(random, name);
  const report: RecorderReport = { acknowledgements: [], refused: [], problems: [], requests: 0, failures: 0 };
  const chance = (probability: number) => random() < probability;

  while (!world.enough()) {
    const overRest = chance(0.3);
    const users = shuffled(random, world.userIds).slice(0, overRest ? 1 : between(random, 1, 3)) as [string];
    const batch = Array.from({ length: between(random, 1, 20) }, () => makeEvent(pick(random, users)));
    const spoiled = chance(0.08) ? spoil(batch) : undefined;
    if (spoiled) await refuse(spoiled, overRest);
    else await record(withRepetitions(batch, users[0]), overRest);
  }
  return report;

  /** Now and then an event comes twice in its batch, or has been acknowledged before. */
  function withRepetitions(batch: Draft[], userId: string): Draft[] {
    const earlier = report.acknowledgements.filter(({ draft }) => draft.userId === userId).at(-between(random, 1, 30));
    return [...batch, ...(chance(0.1) ? batch.slice(0, 1) : []), ...(earlier && chance(0.1) ? [earlier.draft] : [])];
  }

  /** A batch that must be refused as a whole, for the sake of one of its events. */
  function spoil(batch: Draft[]): { batch: Draft[]; code: string } | undefined {
    const [first, ...rest] = batch;
    const earlier = report.acknowledgements.at(-between(random, 1, 50))?.draft;
    if (!first || !earlier) return undefined;
    const others = rest.map((draft) => ({ ...draft, userId: first.userId }));
    return pick(random, [
      { batch: [...others, { ...first, progress: 1.5 }], code: 'BAD_USER_INPUT' },
      { batch: [...others, { ...first, runId: '' }, first], code: 'BAD_USER_INPUT' },
      { batch: [{ ...first, userId: uuid(random) }], code: 'NOT_FOUND' },
      { batch: [first, ...others, { ...first, message: 'another text' }], code: 'EVENT_ID_CONFLICT' },
      { batch: [{ ...first, userId: earlier.userId, id: earlier.id }], code: 'EVENT_ID_CONFLICT' },
    ]);
  }

  async function refuse({ batch, code }: { batch: Draft[]; code: string }, overRest: boolean): Promise<void> {
    const known = new Set(report.acknowledgements.map(({ draft }) => draft.id));
    report.refused.push(...batch.map(({ id }) => id).filter((id) => !known.has(id)));
    const answer = await send(batch, overRest);
    if (answer.kind === 'none' || (answer.kind === 'refused' && answer.code === code)) return;
    report.problems.push(`${name}: expected ${code}, the answer was ${JSON.stringify(answer)}`);
  }

  async function record(batch: Draft[], overRest: boolean): Promise<void> {
    const known = new Map(report.acknowledgements.map(({ draft, sequence }) => [draft.id, sequence]));
    const sentAt = world.now();
    for (let attempt = 0; ; attempt += 1) {
      const answer = await send(batch, overRest);
      if (answer.kind === 'none') continue;
      if (answer.kind === 'refused') {
        report.problems.push(`${name}: a good batch was refused with ${answer.code}`);
        report.refused.push(...batch.map(({ id }) => id).filter((id) => !known.has(id)));
        return;
      }
      const answeredAt = world.now();
      const before = report.acknowledgements.length;
      for (const [index, draft] of batch.entries()) {
        const result = answer.results[index];
        const sequence = known.get(draft.id);
        if (result?.id !== draft.id) report.problems.push(`${name}: answer ${index} is not about ${draft.id}`);
        else if (sequence === undefined) {
          const { sequence, duplicate } = result;
          report.acknowledgements.push({ draft, sequence, duplicate, retried: attempt > 0, sentAt, answeredAt });
          known.set(draft.id, sequence);
        } else if (!result.duplicate || result.sequence !== sequence)
          report.problems.push(`${name}: ${draft.id} is ${sequence}, its repetition is ${JSON.stringify(result)}`);
      }
      return world.acknowledged(report.acknowledgements.length - before);
    }
  }

  async function send(batch: readonly Draft[], overRest: boolean): Promise<Answer> {
    await world.listening();
    report.requests += 1;
    // Some are so impatient that they leave before the answer.
    const signal = chance(0.1) ? AbortSignal.timeout(between(random, 1, 30)) : null;
    try {
      const fitsRest = batch.every(({ reason, dataTypes }) => reason === undefined && dataTypes === undefined);
      return await (overRest && fitsRest ? sendRest(batch, signal) : sendGraphql(batch, signal));
    } catch {
      report.failures += 1;
      return { kind: 'none' };
    }
  }

  async function post(path: string, body: object, signal: AbortSignal | null): Promise<Response> {
    const headers = { 'content-type': 'application/json', ...world.headers };
    return fetch(world.url + path, { method: 'POST', headers, body: JSON.stringify(body), signal });
  }

  async function sendGraphql(batch: readonly Draft[], signal: AbortSignal | null): Promise<Answer> {
    const body = { query: mutation, variables: { events: batch.map(toInput) } };
    const { data, errors } = await (await post('/graphql', body, signal)).json();
    if (errors) return refusal(errors[0].extensions.code);
    const results: { duplicate: boolean; event: { id: string; sequence: number } }[] = data.recordSyncEvents.results;
    return { kind: 'recorded', results: results.map(({ duplicate, event }) => ({ duplicate, ...event })) };
  }

  async function sendRest(batch: readonly Draft[], signal: AbortSignal | null): Promise<Answer> {
    const response = await post(`/api/v1/users/${batch[0]?.userId}/sync/events`, batch.map(toWire), signal);
    const body = await response.json();
    if (response.status !== 201) return refusal(restCodes[response.status] ?? `${response.status}`);
    const results: { event_id: string; sequence: number; duplicate: boolean }[] = body;
    return { kind: 'recorded', results: results.map(({ event_id: id, ...rest }) => ({ id, ...rest })) };
  }
}

function refusal(code: string): Answer {
  return code === 'UNAVAILABLE' ? { kind: 'none' } : { kind: 'refused', code };
}
