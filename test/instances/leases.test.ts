import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createOnServer, type ScratchPostgres, startPostgres } from '../../prisma/scratch-postgres.ts';
import type { Database } from '../../src/db/database.ts';
import { migrate } from '../../src/db/migrations.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import { type Holdable, startHolding } from '../../src/instances/hold.ts';
import { releaseLease, takeLease } from '../../src/instances/lease.ts';
import { newFileUrl } from '../support/database.ts';

let postgres: ScratchPostgres;

beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

describe.each(['sqlite', 'postgresql'] as const)('a lease in %s', (kind) => {
  async function start() {
    const url = kind === 'sqlite' ? newFileUrl() : await newDatabase();
    await migrate(url);
    const database: Database = await openDatabase(url);
    onTestFinished(() => database.close());
    const name = 'here';
    await database.transaction((transaction) => transaction.source.create({ data: { name } }));
    return {
      take: (holder: string, ms = 60_000) =>
        database.transaction((transaction) => takeLease(transaction, kind, { name, holder, ms })),
      release: (holder: string) => database.transaction((transaction) => releaseLease(transaction, name, holder)),
    };
  }

  async function newDatabase(): Promise<string> {
    const { url, drop } = await createOnServer(postgres.url);
    onTestFinished(drop);
    return url;
  }

  test('is renewed by its holder, and taken by nobody else until it ends', async () => {
    const { take } = await start();
    expect(await take('a')).toBe(true);
    expect(await take('b')).toBe(false);
    expect(await take('a', 1)).toBe(true);
    await expect.poll(() => take('b')).toBe(true);
    expect(await take('a')).toBe(false);
  });

  test('is given up by its holder alone', async () => {
    const { take, release } = await start();
    await take('a');
    await release('b');
    expect(await take('b')).toBe(false);
    await release('a');
    expect(await take('b')).toBe(true);
  });
});

describe('who holds a source', () => {
  const limits = { sourceTryMs: 5, sourceRenewMs: 5, shutdownMs: 5_000 };

  /** A source whose lease is what the test says, and how often each thing was done. */
  function startWork(save: () => Promise<boolean> = async () => true) {
    const done = { taken: 0, saved: 0, released: 0, begun: 0, ended: 0 };
    const errors: unknown[] = [];
    let isFree = true;
    const source: Holdable = {
      async take() {
        if (isFree) done.taken += 1;
        return isFree;
      },
      async save() {
        done.saved += 1;
        return save();
      },
      async release() {
        done.released += 1;
      },
    };
    const work = async (signal: AbortSignal) => {
      done.begun += 1;
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      done.ended += 1;
    };
    const holding = startHolding(source, work, { limits, onError: (error) => void errors.push(error) });
    onTestFinished(() => holding.close());
    return {
      ...{ done, errors, holding },
      setFree(free: boolean) {
        isFree = free;
      },
    };
  }

  test('renews the lease for as long as the work takes', async () => {
    const { done } = startWork();
    await expect.poll(() => done.saved).toBeGreaterThan(3);
    expect(done).toMatchObject({ taken: 1, begun: 1, ended: 0 });
  });

  test('ends the work when another instance has the source, and takes it again when it is free', async () => {
    let isHeld = true;
    const { done, setFree } = startWork(async () => isHeld);
    await expect.poll(() => done.begun).toBe(1);
    setFree(false);
    isHeld = false;
    await expect.poll(() => done.ended).toBe(1);
    expect(done).toMatchObject({ taken: 1, released: 0 });
    isHeld = true;
    setFree(true);
    await expect.poll(() => done.begun).toBe(2);
  });

  test('works on while the lease cannot be renewed because the database is away', async () => {
    let isAway = true;
    const { done, errors } = startWork(async () => {
      if (isAway) throw new Error('away');
      return true;
    });
    await expect.poll(() => errors.length).toBeGreaterThan(2);
    isAway = false;
    const { saved } = done;
    await expect.poll(() => done.saved).toBeGreaterThan(saved + 1);
    expect(done).toMatchObject({ taken: 1, begun: 1, ended: 0 });
  });

  test('gives the lease up at the end, after the work', async () => {
    const { done, holding } = startWork();
    await expect.poll(() => done.begun).toBe(1);
    await holding.close();
    expect(done).toMatchObject({ ended: 1, released: 1 });
  });
});
