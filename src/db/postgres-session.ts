import pg from 'pg';
import { BEGIN } from './session-settings.ts';

/** The statements that put a session, or a transaction, in order: `settingsStatement`. */
export interface SessionSettings {
  readonly session: string;
  readonly local: string;
}

/** How a transaction begins and ends; to go back to a savepoint is no end. Others may follow BEGIN in the same text. */
const begins = /^\s*(?:BEGIN|START\s+TRANSACTION)\b/i;
const ends = /^\s*(?:COMMIT|END|ROLLBACK(?!\s+(?:WORK\s+|TRANSACTION\s+)?TO\b)|ABORT)\b/i;

/** pg's own callback, which its pool uses. */
type Callback = (error: Error | undefined, result?: pg.QueryResult) => void;
/** pg's `query`, which has ten forms. */
type Send = (...args: unknown[]) => unknown;

/**
 * A connection to Postgres on which every statement finds the settings that it relies on.
 *
 * - *direct*: the session is ours, and is set up once, by `prepare`.
 * - *pooled*: PgBouncer or another pooler stands between, and may give each transaction to another session, which others
 *   use as well. So nothing is set for the session: each transaction sets all for itself, and a statement that stands
 *   alone becomes a transaction. All of it is sent at once and costs no further round trip.
 *
 * Which of the two it is, the connection finds out by itself: a pooler makes up the process number that it announces.
 */
export class PostgresSession extends pg.Client {
  #settings: SessionSettings | undefined;
  #isPooled = false;
  #isInTransaction = false;

  constructor(config?: pg.ClientConfig) {
    super(config);
    const send = super.query.bind(this) as Send; // passes all of its forms on
    this.query = ((...args: unknown[]) => this.#dispatch(send, args)) as pg.Client['query']; // and answers as it does
  }

  /** Is there a pooler between this connection and Postgres? Known once it is prepared. */
  get isPooled(): boolean {
    return this.#isPooled;
  }

  /**
   * Before the first statement, once it is connected: one round trip. A pooler lets us in although Postgres is away, so that
   * it may take as long as connecting.
   * @param patienceMs in milliseconds
   */
  async prepare(settings: SessionSettings, patienceMs: number): Promise<void> {
    const announced = fieldOf(this, 'processID'); // pg's types do not have it
    const text = `${settings.session} WHERE pg_backend_pid() = ${Number(announced)}`;
    const config: pg.QueryConfig & { readonly query_timeout: number } = { text, query_timeout: patienceMs };
    const { rowCount } = await this.query(config);
    this.#settings = settings;
    this.#isPooled = rowCount === 0;
  }

  #dispatch(send: Send, args: unknown[]): unknown {
    const [query] = args;
    const text = typeof query === 'string' ? query : fieldOf(query, 'text');
    if (!this.#isPooled || !this.#settings || typeof text !== 'string') return send(...args);
    if (begins.test(text)) {
      this.#isInTransaction = true;
      const answer = (begin: string) =>
        send(typeof query === 'object' ? { ...query, text: begin } : begin, ...args.slice(1));
      // What follows BEGIN in the text may be another setting, which goes before those of the session.
      if (text.replace(begins, '').trim() !== '')
        return answer(text.replace(begins, `${BEGIN}; ${this.#settings.local}`));
      const begun = answer(BEGIN);
      Promise.resolve(send(this.#settings.local)).catch(ignore); // fails what follows, too
      return begun;
    }
    if (this.#isInTransaction) {
      this.#isInTransaction = !ends.test(text);
      return send(...args);
    }
    return this.#queryAlone(send, args, this.#settings);
  }

  /** A statement as a transaction of its own: it is answered once it is committed. */
  #queryAlone(send: Send, args: unknown[], { local }: SessionSettings): unknown {
    const callback = typeof args.at(-1) === 'function' ? (args.pop() as Callback) : undefined;
    const sent = [[BEGIN], [local], args, ['COMMIT']].map((each) => Promise.resolve(send(...each)));
    const answered = Promise.allSettled(sent).then((outcomes) => {
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failed) throw failed.reason; // the first: those behind it only say that the transaction is over
      return sent[2];
    });
    if (!callback) return answered;
    answered.then((result) => callback(undefined, result as pg.QueryResult), callback); // what pg has answered
    return undefined;
  }
}

function fieldOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

function ignore(): void {}
