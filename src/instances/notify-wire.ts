import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import type { DoorbellEvents, DoorbellWire } from './doorbell.ts';

const CHANNEL = 'synclog';
/** Silence after which the wire is tested by a message to oneself. */
const HEARTBEAT_MS = 5_000;
/** How long that message, or a connection, may take before the wire counts as cut. */
const ANSWER_MS = 3_000;
/** Pauses between attempts to connect. */
const RETRY_MS = { first: 100, longest: 2_000 } as const;

/**
 * LISTEN and NOTIFY on a connection of their own. A half-open socket is silent, and a pooler in transaction mode takes
 * LISTEN without ever delivering: both are found by a heartbeat that has to come back as a notification.
 */
export function notifyWire(url: string, { onMessage, onGap, onError }: DoorbellEvents): DoorbellWire {
  const closing = new AbortController();
  let client: pg.Client | undefined;
  let lastSent: Promise<unknown> = Promise.resolve();
  const running = run();

  async function run(): Promise<void> {
    for (let pause: number = RETRY_MS.first; !closing.signal.aborted; ) {
      const connection = new pg.Client({
        connectionString: url,
        application_name: 'synclog doorbell',
        connectionTimeoutMillis: ANSWER_MS,
        query_timeout: ANSWER_MS,
        keepAlive: true,
      });
      const broken = new AbortController();
      connection.on('error', (error) => broken.abort(error)).on('end', () => broken.abort());
      connection.on('notification', ({ payload }) => payload && onMessage(payload));
      try {
        await connection.connect();
        await connection.query(`LISTEN ${CHANNEL}`);
        client = connection;
        pause = RETRY_MS.first;
        onGap();
        await watch(connection, AbortSignal.any([closing.signal, broken.signal]));
      } catch (error) {
        if (!closing.signal.aborted) onError(error);
      }
      client = undefined;
      void connection.end().catch(() => {});
      await wait(pause, undefined, { signal: closing.signal }).catch(() => {});
      pause = Math.min(pause * 2, RETRY_MS.longest);
    }
  }

  /** Returns when the signal aborts. @throws when a heartbeat does not come back in time. */
  async function watch(connection: pg.Client, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await wait(HEARTBEAT_MS, undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted) return;
      const heard = once(connection, 'notification', { signal: AbortSignal.timeout(ANSWER_MS) });
      await Promise.all([heard, notify(connection, 'heartbeat')]);
    }
  }

  /** One after another: pg does not want a statement while another runs. */
  function notify(connection: pg.Client, message: string): Promise<unknown> {
    const sent = lastSent.then(() => connection.query('SELECT pg_notify($1, $2)', [CHANNEL, message]));
    lastSent = sent.catch(() => {});
    return sent;
  }

  return {
    send(message) {
      if (client) notify(client, message).catch(onError);
    },
    async close() {
      await lastSent; // the news of the last transactions
      closing.abort();
      await running;
    },
  };
}
