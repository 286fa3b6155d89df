import { ModelError, type ModelServer, ModelTransaction } from './model-server.ts';
import type { Party } from './virtual-time.ts';
import type { World } from './world.ts';

/** How an instance reaches the database: as ever, not at all and it is told, or not at all and nobody is told. */
export type Way = 'open' | 'cut' | 'black';

/** What is the same for all sessions of one instance. */
export interface Client {
  readonly world: World;
  readonly server: ModelServer;
  readonly party: Party | undefined;
  way: Way;
  /** Statements and commits take so much longer, in milliseconds. */
  slowMs: number;
}

/** What a statement does at the server. It may be done later, as it waits for a lock. */
export type Execute<T> = (transaction: ModelTransaction, done: (answer: T | ModelError) => void) => void;

interface Statement {
  readonly execute: Execute<unknown>;
  readonly answer: (answer: unknown) => void;
  /** What a commit takes at the disk, and anything else at the processor, in milliseconds. */
  readonly takesMs: number;
}

/** What the product's pool and sessions have: how long an answer is waited for, and how long a transaction may be silent. */
const ANSWER_MS = 10_000;
const SILENT_MS = 5_000;
const broken = () => new ModelError('ECONNRESET', 'Connection terminated unexpectedly');

/** One connection: statements are executed one after the other in the order in which they were sent. */
export class Session {
  readonly transaction: ModelTransaction;
  readonly #client: Client;
  readonly #queue: Statement[] = [];
  readonly #unanswered = new Set<(error: ModelError) => void>();
  #arrived = 0;
  #replied = 0;
  #isBusy = false;
  /** Nothing comes after what has been sent. */
  #isClosing = false;
  #sent = 0;
  #executed = 0;
  /** Whether each end believes that there is a connection. */
  #isOpenHere = true;
  #isOpenThere = true;

  constructor(client: Client, lockWaitMs: number) {
    this.#client = client;
    this.transaction = new ModelTransaction(client.party, lockWaitMs);
  }

  /** Sends a statement. @throws ModelError what the server says, or that the connection is broken or silent */
  ask<T>(execute: Execute<T>, takesMs = 0.3): Promise<T> {
    const { world, party } = this.#client;
    return new Promise<T>((resolve, reject) => {
      const fail = (error: ModelError) => {
        this.#unanswered.delete(fail);
        tooLate.isCancelled = true;
        reject(error);
      };
      if (!this.#isOpenHere) return world.time.plan(world.latency(1), party, () => reject(broken()));
      this.#unanswered.add(fail);
      const tooLate = world.time.plan(ANSWER_MS, party, () =>
        this.breakHere(new ModelError('ETIMEDOUT', 'Query read timeout')),
      );
      const answer = (given: unknown) => {
        if (!this.#unanswered.delete(fail)) return;
        tooLate.isCancelled = true;
        if (given instanceof ModelError) reject(given);
        else resolve(given as T); // what the statement's own `execute` has given
      };
      this.#send({ execute: execute as Execute<unknown>, answer, takesMs }); // its answer goes to `answer` alone
    });
  }

  #send(statement: Statement): void {
    const { world, way, slowMs } = this.#client;
    if (way === 'black') return;
    this.#sent += 1;
    const takes = world.latency() + world.latency(statement.takesMs) + slowMs * world.random();
    this.#arrived = Math.max(this.#arrived, world.time.now + takes);
    world.time.plan(this.#arrived - world.time.now, undefined, () => {
      this.#queue.push(statement);
      this.#next();
    });
  }

  #next(): void {
    const { server } = this.#client;
    if (!server.isUp) this.breakThere();
    if (this.#isBusy || !this.#isOpenThere) return;
    const statement = this.#queue.shift();
    if (!statement) {
      if (this.#isClosing) this.breakThere();
      else this.#watchSilence();
      return;
    }
    this.#isBusy = true;
    const done = (answer: unknown) => {
      if (answer instanceof ModelError && this.transaction.state === 'open') this.transaction.state = 'failed';
      this.#executed += 1;
      this.#isBusy = false;
      this.#reply(statement, answer);
      this.#next();
    };
    try {
      statement.execute(this.transaction, done);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      done(error);
    }
  }

  #reply(statement: Statement, answer: unknown): void {
    const { world, party } = this.#client;
    if (this.#client.way === 'black') return;
    this.#replied = Math.max(this.#replied, world.time.now + world.latency());
    world.time.plan(this.#replied - world.time.now, party, () => statement.answer(answer));
  }

  /** A transaction that is silent for long keeps its rows from others: the server ends it. */
  #watchSilence(): void {
    if (this.transaction.locked.size === 0) return;
    const { world } = this.#client;
    const before = this.#executed;
    world.time.plan(SILENT_MS, undefined, () => {
      if (this.#executed !== before || this.#isBusy || this.transaction.locked.size === 0) return;
      world.tell(() => `database: ends a silent transaction of ${this.#client.party?.name ?? 'a stranger'}`);
      this.breakThere();
    });
  }

  /** This end takes the connection for broken. Whatever was sent arrives, and is executed. */
  breakHere(error: ModelError = broken()): void {
    this.#isOpenHere = false;
    for (const fail of [...this.#unanswered]) fail(error);
  }

  /** The server has no such connection any more. What was not executed never is. */
  breakThere(): void {
    const { world, server, party } = this.#client;
    if (!this.#isOpenThere) return;
    this.#isOpenThere = false;
    server.end(this.transaction);
    if (this.#unanswered.size > 0) world.time.plan(world.latency(), party, () => this.breakHere());
    else this.#isOpenHere = false;
  }

  /** The process is gone, or has closed the connection: the server notices after what was sent before. */
  close(): void {
    const { world } = this.#client;
    if (this.#sent === this.#executed && this.transaction.locked.size === 0) {
      this.#isOpenHere = false;
      return;
    }
    world.time.plan(Math.max(0, this.#arrived - world.time.now) + world.latency(), undefined, () => {
      this.#isClosing = true;
      this.#next();
    });
  }
}
