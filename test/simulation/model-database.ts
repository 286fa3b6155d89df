import type { ChangeLimits, Database, Decide, Queryable, Reader, Transaction, Write } from '../../src/db/database.ts';
import { isCollision } from '../../src/db/faults.ts';
import { retry } from '../../src/lib/retry.ts';
import { ModelError, type ModelServer } from './model-server.ts';
import { type Client, type Execute, Session, type Way } from './model-session.ts';
import type { Party } from './virtual-time.ts';
import type { World } from './world.ts';

/** What a transaction will do when it is committed. */
export class ModelWrite implements Write {
  readonly text = 'a write of the model';
  readonly rows = [];
  readonly apply: (by: Party | undefined) => void;

  constructor(apply: (by: Party | undefined) => void) {
    this.apply = apply;
  }
}

/** Where a statement is sent: to a transaction, or by itself. */
export class ModelReading implements Queryable {
  readonly #ask: <T>(execute: Execute<T>) => Promise<T>;

  constructor(ask: <T>(execute: Execute<T>) => Promise<T>) {
    this.#ask = ask;
  }

  ask<T>(execute: Execute<T>): Promise<T> {
    return this.#ask(execute);
  }

  $queryRaw(): never {
    throw new Error('SQL has no place in the model: the statement belongs into LogSql');
  }
}

/** All that the core is given is the model's. */
export function on(database: Queryable): ModelReading {
  if (database instanceof ModelReading) return database;
  throw new Error('this is no reading of the model');
}

/** What the product's pool waits for a row, if the change does not say, and for a connection. In milliseconds. */
const LOCK_WAIT_MS = 2_000;
const CONNECT_MS = 3_000;
const COLLISION_ATTEMPTS = 5;
const COMMIT_MS = 3;

/** One instance's way to the server: what `openPostgres` is for the product. */
export class ModelDatabase implements Database, Client {
  readonly kind = 'postgresql';
  readonly world: World;
  readonly server: ModelServer;
  readonly party: Party | undefined;
  readonly reader: Reader;
  way: Way = 'open';
  slowMs = 0;
  readonly #sessions = new Set<Session>();
  #isClosed = false;

  constructor(world: World, server: ModelServer, party?: Party) {
    this.world = world;
    this.server = server;
    this.party = party;
    // The core reads through LogSql alone, which gets what it needs.
    this.reader = new ModelReading((execute) =>
      this.#withSession(LOCK_WAIT_MS, (session) => session.ask(execute)),
    ) as unknown as Reader;
  }

  change<T>(decide: Decide<T>, { lockWaitMs = LOCK_WAIT_MS }: ChangeLimits = {}): Promise<T> {
    return this.#committed(lockWaitMs, async (session) => {
      const { answer, writes } = await decide(new ModelReading((execute) => session.ask(execute)));
      return { answer, writes: writes.filter((write) => write instanceof ModelWrite) };
    });
  }

  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.#committed(LOCK_WAIT_MS, async (session) => {
      const reading = new ModelReading((execute) => session.ask(execute));
      // The core asks for nothing else of Prisma than what stands here.
      const transaction = Object.assign(reading, this.#tables(session)) as unknown as Transaction;
      return { answer: await work(transaction), writes: [] };
    });
  }

  async checkWrites(): Promise<void> {}

  stopWaiting(): void {}

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  /** The process is gone. */
  end(): void {
    for (const session of this.#sessions) session.close();
    this.#sessions.clear();
  }

  /** All connections break, which both ends notice. */
  cutAll(): void {
    for (const session of this.#sessions) {
      session.breakHere();
      session.close();
    }
    this.#sessions.clear();
  }

  #committed<T>(
    lockWaitMs: number,
    work: (session: Session) => Promise<{ answer: T; writes: readonly ModelWrite[] }>,
  ): Promise<T> {
    if (this.#isClosed) this.world.violated(`${this.party?.name} writes after it has closed the database`);
    const attempt = () =>
      this.#withSession(lockWaitMs, async (session) => {
        const { answer, writes } = await work(session);
        const sent = writes.map(({ apply }) =>
          session.ask((transaction, done) => {
            if (transaction.state !== 'open') return done(new ModelError('25P02'));
            transaction.writes.push(apply);
            done(undefined);
          }, 0.1),
        );
        const committed = session.ask((transaction, done) => {
          if (transaction.state !== 'open') return done(new ModelError('25P02'));
          this.server.commit(transaction);
          done(undefined);
        }, COMMIT_MS);
        await Promise.all([...sent, committed]);
        return answer;
      });
    return retry(attempt, { pauseMs: 0, attempts: COLLISION_ATTEMPTS, isTemporary: isCollision });
  }

  async #withSession<T>(lockWaitMs: number, work: (session: Session) => Promise<T>): Promise<T> {
    await this.#connected();
    const session = new Session(this, lockWaitMs);
    this.#sessions.add(session);
    try {
      return await work(session);
    } finally {
      this.#sessions.delete(session);
      session.close();
    }
  }

  /** A session that is at hand costs no time. */
  async #connected(): Promise<void> {
    const { world, party } = this;
    if (this.way === 'open' && this.server.isUp) return;
    const [ms, error] =
      this.way === 'black'
        ? [CONNECT_MS, new ModelError('ETIMEDOUT', 'timeout exceeded when trying to connect')]
        : [world.latency(), new ModelError('ECONNREFUSED')];
    await new Promise<void>((resolve) => world.time.plan(ms, party, resolve));
    throw error;
  }

  /** What retention remembers of clocks. */
  #tables(session: Session) {
    const { server } = this;
    return {
      logState: {
        findUniqueOrThrow: () => session.ask((_, done) => done(server.logState)),
        update: ({ data }: { data: Partial<typeof server.logState> }) =>
          session.ask((transaction, done) => {
            const state = { ...server.logState, ...data };
            transaction.writes.push(() => {
              server.logState = state;
            });
            done(state);
          }),
      },
      user: {
        aggregate: () =>
          session.ask((_, done) => {
            const times = [...server.users.values()].map(({ head }) => head.recordedAt?.getTime() ?? 0);
            const newest = Math.max(0, ...times);
            done({ _max: { headRecordedAt: newest > 0 ? new Date(newest) : null } });
          }),
      },
    };
  }
}
