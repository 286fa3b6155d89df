import { setTimeout as wait } from 'node:timers/promises';
import { pino } from 'pino';
import { createApp } from '../../../src/app.ts';
import { parseConfig } from '../../../src/config.ts';
import { between, type Random } from '../../../src/lib/random.ts';
import { startFaultyProxy } from '../../support/faulty-proxy.ts';
import { jwtSecret } from '../../support/server.ts';
import { startWitness } from '../../support/witness.ts';
import type { Line } from './promises.ts';
import type { Sizes } from './sizes.ts';

/** A client takes its stream for dead after this silence; checkpoints come four times as often. */
const SILENCE_MS = 2_000;
const limits = { checkpointMs: 500, socketPingMs: 1_000, connectionIdleMs: 2_000, slowConsumerMs: 1_000 };

/**
 * Sockets on which nothing moves any more and nobody is told: by turns those of the clients, and all those of an
 * instance to Postgres.
 */
export async function proveBlackHoles({
  databaseUrl,
  random,
  sizes,
}: {
  readonly databaseUrl: string;
  readonly random: Random;
  readonly sizes: Sizes;
}): Promise<Line> {
  const databaseProxy = await startFaultyProxy(databaseUrl);
  const start = (url: string) =>
    createApp(parseConfig({ PORT: '0', DATABASE_URL: url, JWT_SECRET: jwtSecret }), {
      limits,
      logger: pino({ level: 'silent' }),
    });
  const recording = await start(databaseUrl);
  const following = await start(databaseProxy.url);
  const clientProxy = await startFaultyProxy(following.url);
  const { secret } = await recording.services.keys.create({
    name: 'faults',
    scopes: ['read', 'write', 'admin'],
    expiresAt: null,
  });
  const witness = await startWitness({
    url: () => recording.url,
    followUrl: () => clientProxy.url,
    headers: { 'x-api-key': secret },
    random,
    silenceMs: SILENCE_MS,
  });
  let holes = 0;
  for (let fault = 0; fault < sizes.blackHoles; fault += 1) {
    await wait(between(random, 500, 1_500));
    const proxy = fault % 2 === 0 ? clientProxy : databaseProxy;
    while (proxy.open === 0) await wait(20);
    holes += proxy.blackHole();
    await wait(between(random, 1_000, 4_000));
  }
  const { worstMs, acknowledged, problems, seen, missing, duplicated } = await witness.stop();
  const wrong = [...problems];
  for (let waited = 0; following.services.log.followedLogs > 0 && waited < 10_000; waited += 50) await wait(50);
  if (following.services.log.followedLogs > 0) wrong.push('a log is still followed');
  await clientProxy.close();
  await following.close();
  await recording.close();
  await databaseProxy.close();
  return {
    promise: 'black-holed sockets, of clients and to Postgres',
    outcome: {
      faults: sizes.blackHoles,
      cuts: 0,
      acknowledged,
      sessions: witness.sessions,
      seen,
      missing,
      duplicated,
      outOfOrder: 0,
      worstCatchUpMs: worstMs,
      wrong,
    },
    more: { sockets: holes },
  };
}
