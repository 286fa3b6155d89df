import type { SyncRun } from '../../src/db/rows.ts';
import { AppError } from '../../src/errors.ts';
import { defaultLimits, type Limits } from '../../src/limits.ts';
import { RowChanges } from '../../src/log/changes/row-changes.ts';
import type { ChangedRowSql } from '../../src/log/changes/watched-rows.ts';
import { type EventLog, openEventLog } from '../../src/log/event-log.ts';
import { Retention } from '../../src/log/retention.ts';
import type { LogSql } from '../../src/log/sql/log-sql.ts';
import { runsOver } from '../../src/runs/watched-runs.ts';
import type { DoorbellBus } from './doorbell-bus.ts';
import { ModelDatabase } from './model-database.ts';
import type { ModelServer } from './model-server.ts';
import type { Party } from './virtual-time.ts';
import type { World } from './world.ts';

/** What the instances of one schedule share. */
export interface Installation {
  readonly world: World;
  readonly server: ModelServer;
  readonly sql: LogSql & ChangedRowSql;
  readonly bus: DoorbellBus;
  readonly limits: Limits;
  /** How long events are kept, in milliseconds; they all are where it is undefined. */
  readonly keepMs: number | undefined;
  /** The database's clock, which may be wrong. */
  readonly clock: () => number;
}

/** What troubles of an instance cost beyond their end: reads that hang until nobody waits for them any more. In milliseconds. */
export const recoveryMs = { cut: 1_500, black: 11_000 } as const;

const DAY_MS = 86_400_000;

/** Bounds that are so low that a few events meet them. Times are the product's. */
export const smallLimits: Limits = {
  ...defaultLimits,
  ...{ pageSize: 5, tailEvents: 8, eventsPerTransaction: 12, retainedEvents: 3, retentionBatch: 4, retentionUsers: 2 },
  retentionPauseMs: 4_000,
};

/** One instance of the product: its own recorder, followers, retention and doorbell, on the model of a database. */
export class Instance {
  readonly party: Party;
  readonly database: ModelDatabase;
  readonly log: EventLog;
  readonly runChanges: RowChanges<SyncRun>;
  readonly shutdown = new AbortController();
  isClosing = false;
  /** Its part in a source that one instance at a time works on. */
  holding: { close(): Promise<void> } | undefined;
  readonly #streams = new Set<Promise<void>>();
  readonly #retention: Retention | undefined;
  readonly #world: World;

  constructor(party: Party, { world, server, sql, bus, limits, keepMs, clock }: Installation) {
    this.party = party;
    this.#world = world;
    this.database = new ModelDatabase(world, server, this.party);
    const onError = (error: unknown) => world.tell(() => `${party.name}: ${error}`);
    const { database } = this;
    const doorbell = { connect: bus.connectAs(this.party), outage: { failed() {}, works() {} } };
    this.log = openEventLog({ database, sql, limits, clock, onError, doorbell });
    const rows = runsOver(sql, sql);
    this.runChanges = new RowChanges({ database, rows, limits, clock, wakeUps: this.log.wakeUps, onError });
    if (keepMs === undefined) return;
    this.#retention = new Retention({ database, sql, limits, clock, onError, days: keepMs / DAY_MS });
    this.#retention.start();
  }

  get isAlive(): boolean {
    return this.party.state !== 'dead';
  }

  /** Serves a stream until it ends. */
  serve(stream: Promise<void>): void {
    this.#streams.add(stream);
    void stream.finally(() => this.#streams.delete(stream));
  }

  /** As SIGTERM does: streams end with a cursor, what was accepted is answered, then the database is closed. */
  async close(): Promise<void> {
    this.isClosing = true;
    this.shutdown.abort(new AppError('UNAVAILABLE', 'The server is shutting down'));
    await Promise.all([...this.#streams, this.holding?.close()]);
    await this.#retention?.close();
    await this.log.close();
    this.runChanges.close();
    await this.database.close();
  }

  /** As `kill -9` does. */
  kill(): void {
    this.#world.time.end(this.party);
    this.database.end();
  }

  /** Does it remove nothing, as the clock has jumped? Whoever was away for long cannot tell that from a jump. */
  get doubtsClock(): boolean {
    return this.#retention?.doubtsClock ?? false;
  }
}
