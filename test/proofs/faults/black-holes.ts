import { setTimeout as wait } from 'node:timers/promises';
import { pino } from 'pino';
import { createApp } from '../../../src/app.ts';
import { parseConfig } from '../../../src/config.ts';
import { between, type Random } from '../../../src/lib/random.ts';
import { startFaultyProxy } from '../../support/faulty-proxy.ts';
import { jwtSecret } from '../../support/server.ts';
import { startWitness } from '../../support/witness.ts';
import { outcomeOf } from './campaign.ts';
import type { Line } from './promises.ts';
import type { Sizes } from './sizes.ts';

/** A client takes its stream for dead after this silence; checkpoints come four times as often. */
const SILENCE_MS = 2_000;
const limits = { checkpointMs: 500, socketPingMs: 1_000, connectionIdleMs: 2_000, slowConsumerMs: 1_000 };
/** How soon a stream goes on whose read hangs on a dead connection to Postgres. */
const STREAM_BACK_MS = 15_000;
/** How soon recording works again, when the connections to Postgres are dead. */
const RECORDING_BACK_MS = 3_000;

/**
 * Sockets on which nothing moves any more and nobody is told: by turns those of the clients, all those to Postgres of the
 * instance that is followed, and those of the one that records. Everything has to catch up before the next.
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
  const start = (url: string) =>
    createApp(parseConfig({ PORT: '0', DATABASE_URL: url, JWT_SECRET: jwtSecret }), {
      limits,
      logger: pino({ level: 'silent' }),
    });
  const [recorderProxy, followerProxy] = [await startFaultyProxy(databaseUrl), await startFaultyProxy(databaseUrl)];
  const recording = await start(recorderProxy.url);
  const following = await start(followerProxy.url);
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
  const proxies = [clientProxy, followerProxy, recorderProxy];
  for (let fault = 0; fault < sizes.blackHoles; fault += 1) {
    await wait(between(random, 500, 1_500));
    const proxy = proxies[fault % proxies.length] ?? clientProxy;
    while (proxy.open === 0) await wait(20);
    await witness.rests(); // what is cut off in the middle of a transaction is another proof
    holes += proxy.blackHole();
    await witness.caughtUp();
  }
  const testimony = await witness.stop();
  const { worstMs, longestRefusalMs } = testimony;
  const wrong: string[] = [];
  await clientProxy.close(); // clients that are in a hole still stay as long as it does
  for (let waited = 0; following.services.log.followedLogs > 0 && waited < 10_000; waited += 50) await wait(50);
  if (following.services.log.followedLogs > 0) wrong.push('a log is still followed');
  if (worstMs > STREAM_BACK_MS + sizes.busyMs) wrong.push('a stream goes on too late');
  if (longestRefusalMs > RECORDING_BACK_MS + sizes.busyMs) wrong.push('recording works again too late');
  await Promise.all([following.close(), recording.close()]);
  await Promise.all([recorderProxy.close(), followerProxy.close()]);
  return {
    promise: 'black-holed sockets, of clients and to Postgres',
    outcome: outcomeOf(testimony, { faults: sizes.blackHoles, wrong }),
    more: { sockets: holes, 'longest without a recording (ms)': Math.round(longestRefusalMs) },
  };
}
