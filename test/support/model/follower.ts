import { between, pick, type Random } from '../../../src/lib/random.ts';
import { claimsWith, signWithSecret } from '../identity-provider.ts';
import { type ReadEvent, readLog, type Step, toStep } from '../log-reader.ts';
import { openRestLogStream, type RestWish } from '../rest-log-stream.ts';
import { type Headers, jwtSecret } from '../server.ts';
import { streamTransports, type TestStream } from '../streams.ts';
import { providers } from './event-maker.ts';

/** What followers share. */
export interface FollowerWorld {
  readonly url: string;
  readonly headers: Headers;
  readonly userIds: readonly [string, ...string[]];
  readonly listening: () => Promise<void>;
}

/** As GraphQL takes it. */
export interface Filter {
  readonly providers?: readonly string[];
  readonly sources?: readonly string[];
  readonly stages?: readonly string[];
  readonly statuses?: readonly string[];
  readonly runId?: string;
}

/** A log that is not read to its end so long after the last event has something missing. */
const GIVE_UP_MS = 60_000;

/** What a follower has seen of one log. */
export interface View {
  readonly userId: string;
  readonly filter: Filter;
  readonly wish: string;
  /** The view holds what comes after this sequence; set by the first payload. */
  start: number;
  cursor: number;
  readonly events: ReadEvent[];
  /** Payloads that contradict the contract. */
  readonly problems: string[];
  payloads: number;
  sessions: number;
}

export interface Follower {
  readonly view: View;
  /** Follows until the log is read up to this sequence. */
  finish(head: number): Promise<void>;
}

/**
 * Follows a random user's log with a random filter from a random start: leaves and comes back as it likes, over any
 * transport, as the user or as somebody who may read every log, always with the cursor of its last payload.
 */
export function startFollower(world: FollowerWorld, random: Random): Follower {
  const userId = pick(random, world.userIds);
  const filter = pick(random, [
    {},
    {},
    {},
    { providers: ['garmin'] },
    { providers: providers.slice(1), statuses: ['IN_PROGRESS', 'SUCCESS'] },
    { sources: ['PULL', 'WEBHOOK'] },
    { stages: ['COMPLETED', 'FAILED', 'CANCELLED'] },
    { runId: `shared 3 of ${userId.slice(0, 8)}` },
    { providers: [] },
  ] satisfies [Filter, ...Filter[]]);
  const start = pick(random, [{ after: '0' }, { after: '0' }, { replayLast: between(random, 1, 200) }, {}]);
  const view: View = {
    userId,
    filter,
    wish: JSON.stringify({ ...start, filter }),
    start: Number.NaN,
    cursor: Number.NaN,
    events: [],
    problems: [],
    payloads: 0,
    sessions: 0,
  };
  let stream: TestStream | undefined;
  let target = Number.POSITIVE_INFINITY;
  let leaving = false;
  const following = follow();

  async function follow(): Promise<void> {
    while (!(view.cursor >= target)) {
      await world.listening();
      leaving = false;
      await session(between(random, 1, 40)).catch(() => {}); // cut: go on in another session
      await stream?.close().catch(() => {});
    }
  }

  async function session(steps: number): Promise<void> {
    const after = Number.isNaN(view.cursor) ? undefined : String(view.cursor);
    const credential = random() < 0.3 ? await userToken(userId) : world.headers;
    const wish = restWish(filter);
    const overRest = wish !== undefined && random() < 0.4;
    const open = pick(random, [streamTransports.websocket, streamTransports.sse]);
    // A browser's EventSource repeats the variables that it began with and says only beside them how far it came.
    const likeBrowser = after !== undefined && open === streamTransports.sse && random() < 0.5;
    const variables = { userId, filter, ...(after === undefined || likeBrowser ? start : { after }) };
    const headers = { ...credential, ...(likeBrowser && { 'last-event-id': after }) };
    stream = overRest
      ? await openRestLogStream(world.url, { userId, ...wish, ...restStart(after) }, credential)
      : await open(world.url, { query: readLog, variables, headers });
    view.sessions += 1;
    for (let step = 0; step < steps && !(view.cursor >= target); step += 1) {
      const result = await stream.next();
      if (!result) {
        if (!leaving) view.problems.push('the stream was complete, though the user is there');
        return;
      }
      if (result.errors) return void view.problems.push(`the stream ended with ${JSON.stringify(result.errors)}`);
      take(toStep(result), overRest ? 'rest' : open === streamTransports.sse ? 'sse' : 'websocket');
    }
  }

  /** Where a session over REST begins: it says so as a browser does, or as a parameter. */
  function restStart(after: string | undefined): Partial<RestWish> {
    const begin = 'after' in start ? start : { replay: 'replayLast' in start ? (start.replayLast ?? 0) : 0 };
    if (after === undefined) return begin;
    return random() < 0.5 ? { ...begin, lastEventId: after } : { after };
  }

  function take(step: Step, transport: keyof typeof streamTransports | 'rest'): void {
    const { events, cursor, headCursor, caughtUp, reset, id } = step;
    const expect = (holds: boolean, rule: string) => {
      if (!holds)
        view.problems.push(`${rule}: ${JSON.stringify({ ...step, events: events.length })} at ${view.cursor}`);
    };
    const [reached, head] = [Number(cursor), Number(headCursor)];
    if (Number.isNaN(view.cursor)) {
      view.start = 'after' in start ? 0 : Math.max(0, reached - replayed(step, transport));
      view.cursor = view.start;
    }
    expect(reset === null, 'nothing was ever removed, so there is nothing to reset');
    expect(reached >= view.cursor && reached <= head, 'a cursor moves on, at most to the head');
    expect(caughtUp === (reached === head), 'caughtUp says whether the cursor is the head');
    expect(transport === 'websocket' || id === cursor, 'the id of a server-sent event is the cursor');
    expect(
      events.every(({ sequence }) => sequence > view.cursor && sequence <= reached),
      'events are between the last cursor and this one',
    );
    view.events.push(...events);
    view.cursor = reached;
    view.payloads += 1;
  }

  /** How many events before its cursor the first payload may show. REST shows one at a time, the hidden ones not at all. */
  function replayed({ events }: Step, transport: keyof typeof streamTransports | 'rest'): number {
    if (transport === 'rest') return events.length;
    return 'replayLast' in start ? (start.replayLast ?? 0) : 0;
  }

  return {
    view,
    async finish(head) {
      target = head;
      leaving = true;
      const giveUp = setTimeout(() => {
        view.problems.push(`it has not come from ${view.cursor} to ${head}`);
        target = Number.NEGATIVE_INFINITY;
        view.cursor = Number.isNaN(view.cursor) ? 0 : view.cursor;
        void stream?.close().catch(() => {});
      }, GIVE_UP_MS);
      // It may be waiting for the next event, or for a checkpoint, and resumes: then the first payload comes at once.
      await stream?.close().catch(() => {});
      await following;
      clearTimeout(giveUp);
    },
  };
}

/** A token with nothing but a `sub`: its user follows. */
async function userToken(sub: string): Promise<Headers> {
  return { authorization: `Bearer ${await signWithSecret(jwtSecret, claimsWith({ sub, scope: 'sync:self' }))}` };
}

/** The same filter over REST, which takes one value of each; nothing for any other. */
function restWish({ providers, runId, ...others }: Filter): Pick<RestWish, 'provider' | 'runId'> | undefined {
  const [provider, ...more] = providers ?? [];
  if (Object.keys(others).length > 0 || more.length > 0 || (providers && !provider)) return undefined;
  return { ...(provider && { provider }), ...(runId !== undefined && { runId }) };
}
