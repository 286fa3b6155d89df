import { once } from 'node:events';
import pg from 'pg';
import { pause } from '../lib/pause.ts';
import { retry } from '../lib/retry.ts';
import type { DoorbellEvents, DoorbellWire } from './doorbell.ts';

const CHANNEL = 'synclog';
/** Silence after which the wire is tested by a message to oneself. */
const HEARTBEAT_MS = 5_000;
/** How long that message, or a connection, may take before the wire counts as cut. */
const ANSWER_MS = 3_000;
/** Pauses between attempts to connect. */
const RETRY_MS = { first: 100, longest: 2_000 } as const;

/** LISTEN and NOTIFY, one session after another: each on a connection of its own, until that breaks. */
export function notifyWire(url: string, { onMessage, onGap, onError }: DoorbellEvents): DoorbellWire {
  const closing = new AbortController();
  let session: Session | undefined;
  const running = retry(
    async (works) => {
      const connected = new Session(url, onMessage);
      try {
        await connected.listen();
        session = connected;
        works();
        onGap();
        await connected.watch(closing.signal);
      } finally {
        session = undefined;
        connected.close();
      }
    },
    { signal: closing.signal, pauseMs: RETRY_MS, onFailure: onError },
  );

  return {
    send(message) {
      session?.send(message).catch(onError);
    },
    async close() {
      await session?.lastSent; // the news of the last transactions
      closing.abort();
      await running;
    },
  };
}

/**
 * One connection that listens. A half-open socket is silent, and a pooler in transaction mode takes LISTEN without ever
 * delivering: both are found by a heartbeat that has to come back as a notification.
 */
class Session {
  readonly #client: pg.Client;
  readonly #broken = new AbortController();
  #lastSent: Promise<unknown> = Promise.resolve();

  constructor(url: string, onMessage: (message: string) => void) {
    this.#client = new pg.Client({
      connectionString: url,
      application_name: 'synclog doorbell',
      connectionTimeoutMillis: ANSWER_MS,
      query_timeout: ANSWER_MS,
      keepAlive: true,
    });
    this.#client.on('error', (error) => this.#broken.abort(error));
    this.#client.on('end', () => this.#broken.abort(new Error('Postgres has closed the connection')));
    this.#client.on('notification', ({ payload }) => payload && onMessage(payload));
  }

  /** Settles when the newest message has been sent, or could not be; never rejects. */
  get lastSent(): Promise<unknown> {
    return this.#lastSent;
  }

  async listen(): Promise<void> {
    await this.#client.connect();
    await this.#client.query(`LISTEN ${CHANNEL}`);
  }

  /** Returns when `closing` aborts. @throws when the connection breaks, or a heartbeat does not come back in time. */
  async watch(closing: AbortSignal): Promise<void> {
    const ended = AbortSignal.any([closing, this.#broken.signal]);
    for (;;) {
      await pause(HEARTBEAT_MS, ended);
      this.#broken.signal.throwIfAborted();
      if (closing.aborted) return;
      const heard = once(this.#client, 'notification', { signal: AbortSignal.timeout(ANSWER_MS) });
      await Promise.all([heard, this.send('heartbeat')]);
    }
  }

  /** Sends one message after another: pg does not want a statement while another runs. */
  send(message: string): Promise<unknown> {
    const sent = this.#lastSent.then(() => this.#client.query('SELECT pg_notify($1, $2)', [CHANNEL, message]));
    this.#lastSent = sent.catch(() => {});
    return sent;
  }

  close(): void {
    void this.#client.end().catch(() => {});
  }
}
