import { setTimeout as wait } from 'node:timers/promises';
import type { Hono } from 'hono';
import type { Database } from '../../db/database.ts';
import { errorCodes } from '../../errors.ts';
import { addGet } from '../add-get.ts';
import { json } from '../answer.ts';

const unavailable = errorCodes.UNAVAILABLE;

/** A database that takes longer to answer is not ready for anybody. */
const READ_MS = 2_000;

interface HealthOptions {
  readonly database: Database;
  /** Aborts when the server begins to shut down. */
  readonly shutdown: AbortSignal;
  /** Told why the database does not answer; the client is not. */
  readonly onError: (error: unknown) => void;
}

/** `/healthz`: the process lives. `/readyz`: it can serve, so it should be sent requests. */
export function addHealth(app: Hono, { database, shutdown, onError }: HealthOptions): void {
  addGet(app, '/healthz', () => json(200, '{"status":"ok"}'));
  addGet(app, '/readyz', async () => {
    const isReady = !shutdown.aborted && (await canRead(database, onError));
    return isReady
      ? json(200, '{"status":"ok"}')
      : json(unavailable.httpStatus, '{"status":"unavailable"}', unavailable.headers);
  });
}

async function canRead(database: Database, onError: (error: unknown) => void): Promise<boolean> {
  const answered = new AbortController();
  const tooLate = async () => {
    await wait(READ_MS, undefined, { signal: answered.signal, ref: false });
    throw new Error(`The database has not answered for ${READ_MS} ms`);
  };
  try {
    await Promise.race([database.reader.user.findFirst({ select: { id: true } }), tooLate()]);
    return true;
  } catch (error) {
    onError(error);
    return false;
  } finally {
    answered.abort();
  }
}
