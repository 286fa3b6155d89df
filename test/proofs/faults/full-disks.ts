import { setTimeout as wait } from 'node:timers/promises';
import { openDatabase } from '../../../src/db/open-database.ts';
import { between, type Random } from '../../../src/lib/random.ts';
import type { FaultyRedis } from '../../support/faulty-redis.ts';
import { fileOnSmallDisk, type PlaceOnDisk, postgresOnSmallDisk } from '../../support/full-disks.ts';
import { createEmitter, wireEvent } from '../../support/open-wearables-emitter.ts';
import { graphql, startProcess } from '../../support/server-process.ts';
import type { Postgres } from './fleet.ts';
import type { Line } from './promises.ts';
import type { Sizes } from './sizes.ts';

const MEGABYTES = { sqlite: 64, postgresql: 128 } as const;
/** How soon after the last fault everything has to be stored. */
const STORED_MS = 60_000;

interface Parts {
  readonly postgres: Postgres;
  readonly redis: FaultyRedis;
  readonly random: Random;
  readonly sizes: Sizes;
}

/** Entries of Open Wearables come all the time, while the disk of the log is full now and then, or its process is killed. */
export async function proveFullDisks(parts: Parts): Promise<Line> {
  const file = await bridgeTo(await fileOnSmallDisk(MEGABYTES.sqlite), parts, 0);
  const server = await bridgeTo(await postgresOnSmallDisk(parts.postgres.url, MEGABYTES.postgresql), parts, 1);
  const both = (figure: keyof typeof file) => file[figure] + server[figure];
  const quarantined = both('quarantined');
  return {
    promise: "entries of a bridge while the log's disk is full, on SQLite and Postgres",
    outcome: {
      faults: 2 * parts.sizes.fullDisks,
      cuts: 0,
      acknowledged: both('emitted'),
      sessions: both('kills'),
      seen: both('stored'),
      missing: both('missing'),
      duplicated: both('duplicated'),
      outOfOrder: 0,
      worstCatchUpMs: Math.max(file.slowestMs, server.slowestMs),
      wrong: quarantined > 0 ? [`${quarantined} entries that are good are in quarantine`] : [],
    },
    more: { 'processes killed': both('kills') },
  };
}

/** @param killed of the faults the even ones, or the odd ones: the process is killed while the disk is full */
async function bridgeTo(place: PlaceOnDisk, { redis, random, sizes }: Parts, killed: 0 | 1) {
  const emitter = createEmitter(redis.url);
  await emitter.redis.flushall();
  const settings = { DATABASE_URL: place.url, OPEN_WEARABLES_REDIS_URL: redis.url, LOG_LEVEL: 'silent' };
  const server = await startProcess(settings);
  const source = async () => {
    const { sources } = await graphql(server, '{ sources { state quarantined } }');
    return sources[0] as { readonly state: string; readonly quarantined: number };
  };
  const untilLive = async () => {
    while ((await source().catch(() => undefined))?.state !== 'LIVE') await wait(50);
  };
  await untilLive();
  const ids: string[] = [];
  const emitting = (async () => {
    while (ids.length < sizes.bridged) {
      const event = wireEvent({ metadata: { text: 'x'.repeat(between(random, 0, 3_000)) } });
      await emitter.emit(event);
      ids.push(event.event_id);
      await wait(5);
    }
  })();
  let kills = 0;
  for (let fault = 0; fault < sizes.fullDisks; fault += 1) {
    while (ids.length < (sizes.bridged * (fault + 0.5)) / sizes.fullDisks) await wait(10);
    await place.fill();
    await wait(between(random, 500, 1_500));
    if (fault % 2 === killed) {
      await server.end('SIGKILL');
      kills += 1;
    }
    await place.free();
    if (fault % 2 === killed) await server.start();
  }
  const freed = performance.now();
  await emitting;
  const database = await openDatabase(place.url);
  const storedIds = async () =>
    (await database.reader.syncEvent.findMany({ select: { id: true } })).map(({ id }) => id);
  while ((await storedIds()).length < ids.length && performance.now() - freed < STORED_MS) await wait(100);
  const slowestMs = performance.now() - freed;
  const stored = await storedIds();
  const { quarantined } = await source();
  await database.close();
  await server.remove();
  emitter.close();
  await place.drop();
  const among = new Set(stored);
  return {
    emitted: ids.length,
    stored: stored.length,
    kills,
    missing: ids.filter((id) => !among.has(id)).length,
    duplicated: Math.max(0, stored.length - ids.length),
    quarantined,
    slowestMs,
  };
}
