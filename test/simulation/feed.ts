import { AppError } from '../../src/errors.ts';
import { type Holdable, startHolding } from '../../src/instances/hold.ts';
import { pause } from '../../src/lib/pause.ts';
import { uuid } from '../../src/lib/random.ts';
import type { Instance } from './instance.ts';
import { type Client, Session } from './model-session.ts';
import type { Fleet } from './producer.ts';

/** An entry of a source, and when it was there. */
interface Entry {
  readonly id: string;
  readonly userId: string;
  readonly at: number;
}

const saidByAll = {
  ...{ runId: 'fed', provider: 'suunto', source: 'webhook', stage: 'saving', status: 'in_progress' },
};

/** How long the holder waits when there is nothing new. */
const LOOK_MS = 250;
/** What the holder may take to stop after it could have renewed its lease: to ask, and to be answered. */
const STOP_MS = 1_000;
/** What another instance may take to go on after the holder is lost, beyond the lease: to try, to read and to record. */
const TAKE_OVER_MS = 6_000;

/** A source that one instance at a time works on: a list that grows, and what each entry says once recorded. */
export class Feed {
  readonly #fleet: Fleet;
  readonly #entries: Entry[] = [];

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  add(userId: string): void {
    const { world } = this.#fleet;
    this.#entries.push({ id: uuid(world.random), userId, at: world.time.now });
  }

  /** Has an instance take part. @returns what ends that */
  attach(instance: Instance): { close(): Promise<void> } {
    const { world, limits } = this.#fleet;
    let position = 0;
    const note = (noted: number) => {
      position = noted;
    };
    return startHolding(
      this.#holdable(instance, () => position, note),
      async (signal) => {
        while (!signal.aborted) {
          this.#judgeHolder(instance);
          const entry = this.#entries[position];
          if (entry) {
            const { id, userId, at } = entry;
            const draft = { ...saidByAll, id, userId, timestamp: new Date(world.time.dateAt(at)) };
            await instance.log.record([draft]).catch(unlessGone);
            position += 1;
          } else await pause(LOOK_MS, signal);
        }
      },
      { limits, onError: (error) => world.tell(() => `${instance.party.name}, on the feed: ${error}`) },
    );
  }

  #holdable(instance: Instance, position: () => number, note: (position: number) => void): Holdable {
    const { world, server, limits } = this.#fleet;
    const { name } = instance.party;
    const row = server.source;
    const once = async <T>(work: () => T): Promise<T> => {
      const client: Client = instance.database;
      if (client.way !== 'open' || !server.isUp) throw new Error('the database is away');
      const session = new Session(client, limits.sourceTryMs);
      try {
        return await session.ask<T>((_, done) => done(work()));
      } finally {
        session.close();
      }
    };
    const renew = () => {
      row.holder = name;
      row.heldUntil = world.time.now + limits.sourceLeaseMs;
    };
    return {
      take: async () => {
        const taken = await once(() => {
          if (row.holder !== name && row.holder !== null && row.heldUntil > world.time.now) return undefined;
          if (row.holder !== name) {
            row.takenAt = world.time.now;
            world.tell(() => `${name}: takes the feed at ${row.position}`);
          }
          renew();
          return row.position;
        });
        if (taken === undefined) return false;
        note(taken);
        return true;
      },
      save: async () => {
        const at = position();
        return once(() => {
          if (row.holder !== name) return false;
          if (at < row.position) world.violated(`${name} moves the feed back from ${row.position} to ${at}`);
          row.position = at;
          renew();
          return true;
        });
      },
      release: () =>
        once(() => {
          if (row.holder === name) row.holder = null;
        }),
    };
  }

  /** Whoever works on the feed stops once it could know that another one has taken it. */
  #judgeHolder({ party }: Instance): void {
    const { world, server, limits } = this.#fleet;
    const { holder, takenAt } = server.source;
    if (holder === party.name || holder === null) return;
    const due = Math.max(takenAt, party.troubledUntil) + limits.sourceRenewMs + STOP_MS;
    if (world.time.now > due) world.violated(`${party.name} works on the feed, which ${holder} has taken`);
  }

  /** Every entry is in the log, and was in time where nothing hindered that. */
  judgeEnd(calmSince: number): void {
    const { world, server, limits } = this.#fleet;
    const due = Math.max(calmSince, 0) + limits.sourceLeaseMs + TAKE_OVER_MS;
    for (const { id, userId, at } of this.#entries) {
      const stored = server.everStored.get(id);
      const user = server.users.get(userId);
      const wasThere = user !== undefined && user.createdAt.getTime() <= world.time.dateAt(at);
      if (!stored && wasThere) world.violated(`the entry ${id} of the feed was never recorded`);
      const { committedAt } = stored?.user.events.get(stored.event.sequence) ?? {};
      if (committedAt !== undefined && committedAt > Math.max(due, at + TAKE_OVER_MS))
        world.violated(`the entry ${id} of the feed was recorded ${Math.round(committedAt - at)} ms late`);
    }
  }
}

/** What a user said who is deleted is passed over. */
function unlessGone(error: unknown): void {
  if (!(error instanceof AppError && error.code === 'NOT_FOUND')) throw error;
}
