import { once } from 'node:events';
import type { PostgresSession } from '../db/postgres-session.ts';
import { openSession, type PostgresTarget, reachPostgres } from '../db/postgres-target.ts';
import { pause } from '../lib/pause.ts';
import { retry } from '../lib/retry.ts';
import { sha256 } from '../lib/sha256.ts';
import type { DoorbellEvents, DoorbellWire } from './doorbell.ts';

/** Silence after which the wire is tested by a message to oneself. */
const HEARTBEAT_MS = 5_000;
/** How long that message, or a connection, may take before the wire counts as cut. */
const ANSWER_MS = 3_000;
/** Pauses between attempts to connect. */
const RETRY_MS = { first: 100, longest: 2_000 } as const;

const session = {
  name: 'synclog doorbell',
  timeouts: { lock_timeout: ANSWER_MS, statement_timeout: ANSWER_MS, idle_in_transaction_session_timeout: ANSWER_MS },
  query_timeout: ANSWER_MS,
};

/** LISTEN and NOTIFY, one session after another: each on a connection of its own, until that breaks. */
export function notifyWire(url: string, { onMessage, onGap, onError }: DoorbellEvents): DoorbellWire {
  const closing = new AbortController();
  let target: PostgresTarget | undefined;
  let listener: Listener | undefined;
  const running = retry(
    async (works) => {
      target ??= await reachPostgres(url);
      const connected = new Listener(await openSession(target, session), channelOf(target));
      try {
        if (connected.isPooled && !(await keepsSessions(target))) throw new Error(notThroughPoolers);
        await connected.listen(onMessage);
        listener = connected;
        works();
        onGap();
        await connected.watch(closing.signal);
      } finally {
        listener = undefined;
        connected.close();
      }
    },
    { signal: closing.signal, pauseMs: RETRY_MS, onFailure: onError },
  );

  return {
    send(message) {
      listener?.send(message).catch(onError);
    },
    async close() {
      await listener?.lastSent; // the news of the last transactions
      closing.abort();
      await running;
    },
  };
}

/**
 * One connection that listens. A half-open socket is silent: it is found by a heartbeat that has to come back as a
 * notification.
 */
class Listener {
  readonly #session: PostgresSession;
  readonly #channel: string;
  readonly #broken = new AbortController();
  #lastSent: Promise<unknown> = Promise.resolve();

  constructor(session: PostgresSession, channel: string) {
    this.#session = session;
    this.#channel = channel;
    session.on('error', (error) => this.#broken.abort(error));
    session.on('end', () => this.#broken.abort(new Error('Postgres has closed the connection')));
  }

  get isPooled(): boolean {
    return this.#session.isPooled;
  }

  /** Settles when the newest message has been sent, or could not be; never rejects. */
  get lastSent(): Promise<unknown> {
    return this.#lastSent;
  }

  async listen(onMessage: (message: string) => void): Promise<void> {
    this.#session.on('notification', ({ payload }) => payload && onMessage(payload));
    await this.#session.query(`LISTEN ${this.#channel}`);
  }

  /** Returns when `closing` aborts. @throws when the connection breaks, or a heartbeat does not come back in time. */
  async watch(closing: AbortSignal): Promise<void> {
    const ended = AbortSignal.any([closing, this.#broken.signal]);
    for (;;) {
      await pause(HEARTBEAT_MS, ended);
      this.#broken.signal.throwIfAborted();
      if (closing.aborted) return;
      const heard = once(this.#session, 'notification', { signal: AbortSignal.timeout(ANSWER_MS) });
      await Promise.all([heard, this.send('heartbeat')]);
    }
  }

  /** Sends one message after another: pg does not want a statement while another runs. */
  send(message: string): Promise<unknown> {
    const sent = this.#lastSent.then(() => this.#session.query('SELECT pg_notify($1, $2)', [this.#channel, message]));
    this.#lastSent = sent.catch(() => {});
    return sent;
  }

  close(): void {
    void this.#session.end().catch(() => {});
  }
}

const notThroughPoolers =
  'the pooler of DATABASE_URL does not pass notifications on; DATABASE_DIRECT_URL must name Postgres itself, or a pool in session mode';

/**
 * Does the pooler give each connection a session of its own? One in transaction mode takes LISTEN for whichever session is
 * free, and delivers by chance. Two connections that take turns show it: they find the same session.
 */
async function keepsSessions(target: PostgresTarget): Promise<boolean> {
  const probes: PostgresSession[] = [];
  try {
    for (let count = 0; count < 2; count += 1) probes.push(await openSession(target, session));
    const seen = probes.map(() => new Set<unknown>());
    for (let turn = 0; turn < 5; turn += 1)
      for (const [index, probe] of probes.entries())
        seen[index]?.add((await probe.query('SELECT pg_backend_pid() AS pid')).rows[0]?.pid);
    const [first, second] = seen.map((pids) => [...pids]);
    return first?.length === 1 && second?.length === 1 && first[0] !== second[0];
  } catch {
    return true; // there is no room for two more, so the heartbeat has to tell
  } finally {
    for (const probe of probes) void probe.end().catch(() => {});
  }
}

/** Installations that share a database have schemas of their own, and hear nothing of one another. */
function channelOf({ schema }: PostgresTarget): string {
  if (schema === 'public') return 'synclog';
  // A channel's name has no more room than that of a schema.
  return `synclog_${sha256(schema).slice(0, 16)}`;
}
