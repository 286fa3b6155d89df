import { setTimeout as wait } from 'node:timers/promises';
import type { Context, Hono } from 'hono';
import type { Availability } from '../../db/availability.ts';
import type { Database } from '../../db/database.ts';
import type { DatabaseFigures } from '../../db/database-figures.ts';
import { errorCodes } from '../../errors.ts';
import type { Outages } from '../../lib/outages.ts';
import { addGet } from '../add-get.ts';
import { json } from '../answer.ts';

const unavailable = errorCodes.UNAVAILABLE;

/** A database that takes longer to answer is not ready for anybody. */
const READ_MS = 2_000;

export interface HealthOptions {
  readonly database: Database;
  readonly availability: Pick<Availability, 'unwritableFor' | 'failed'>;
  /** What is away. The answer tells of it, also where the server can do without. */
  readonly outages: Pick<Outages, 'present' | 'watched'>;
  readonly databaseFigures: DatabaseFigures;
  /** Aborts when the server begins to shut down. */
  readonly shutdown: AbortSignal;
  /** May this client be told what is away? Never rejects. */
  readonly isOperator: (context: Context) => Promise<boolean>;
  /** Told why the database does not answer; the client is not. */
  readonly onError: (error: unknown) => void;
}

/** `/healthz`: the process lives. `/readyz`: it can serve reads and writes, so it should be sent requests. */
export function addHealth(app: Hono, options: HealthOptions): void {
  addGet(app, '/healthz', () => json(200, '{"status":"ok"}'));
  addGet(app, '/readyz', async (context) => {
    const isReady = !options.shutdown.aborted && (await canServe(options));
    const away = options.outages.present;
    const detail = Object.keys(away).length > 0 && (await options.isOperator(context)) ? { detail: away } : {};
    return isReady
      ? json(200, JSON.stringify({ status: 'ok', ...detail }))
      : json(unavailable.httpStatus, JSON.stringify({ status: 'unavailable', ...detail }), unavailable.headers);
  });
}

async function canServe({ database, availability, onError }: HealthOptions): Promise<boolean> {
  const answered = new AbortController();
  const tooLate = async () => {
    await wait(READ_MS, undefined, { signal: answered.signal, ref: false });
    throw new Error(`The database has not answered for ${READ_MS} ms`);
  };
  const ask = async () => {
    await database.reader.user.findFirst({ select: { id: true } });
    await database.checkWrites().catch((error: unknown) => {
      availability.failed(error);
      throw error;
    });
  };
  try {
    await Promise.race([ask(), tooLate()]);
    return availability.unwritableFor === undefined;
  } catch (error) {
    onError(error);
    return false;
  } finally {
    answered.abort();
  }
}
