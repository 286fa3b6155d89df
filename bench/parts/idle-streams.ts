import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { openSubscribers, type Wire } from '../clients/subscribers.ts';
import { rawWire, stockWire, synclogWire } from '../clients/wires.ts';
import { load } from '../measure/load.ts';
import { usageOf } from '../measure/process-usage.ts';
import { type MeasuredServer, serverOf } from '../measure/server-process.ts';
import { spreadOf } from '../measure/statistics.ts';
import type { Comparison, Result } from '../report/comparison.ts';
import { restShot, userIds } from './requests.ts';
import { type StreamServer, type StreamsSetup, withStreamServers } from './streams-setup.ts';

/** As long as Synclog takes to say something on each idle stream; short runs have less. */
const IDLE_SECONDS = { most: 15, perSecondOfRound: 10 };
/** What a process needs beside its streams. */
const OTHER_FILES = 500;
/** Requests whose p99 is compared, one at a time. */
const REQUESTS = 400;
/** For how many streams the goal of idle CPU is. */
const STREAMS_OF_GOAL = 25_000;

interface Figures {
  readonly name: string;
  readonly heapBytes: number;
  readonly residentBytes: number;
  readonly openMicros: number;
  readonly idleMsPerSecond: number;
  /** p99 of `/sync/recent` with the streams, as a multiple of without. */
  readonly slower?: number;
}

/** F2: streams of many users on which nothing happens, in memory and CPU beyond sockets that say nothing either. */
export async function measureIdleStreams(setup: StreamsSetup): Promise<Comparison> {
  const { database, options } = setup;
  checkOpenFiles(options.streams);
  const followed = (index: number) => ({ user: 1 + (index % options.users) });
  const figures: Figures[] = [];
  for (const [name, wireOf] of [
    ['Synclog', (server: MeasuredServer) => synclogWire(server, database.apiKey, followed)],
    ['stock-pubsub', (server: MeasuredServer) => stockWire(server, followed)],
    ['raw-broadcast', (server: MeasuredServer) => rawWire(server, followed)],
  ] as const)
    figures.push(await figuresOf(name, wireOf, setup));
  return {
    id: 'F2',
    database: database.provider,
    title: `${options.streams.toLocaleString('en')} idle streams`,
    lines: figures.map(({ name, heapBytes, residentBytes, openMicros, idleMsPerSecond }) => ({
      who: name,
      figures: {
        'heap kB/stream': spreadOf([heapBytes / 1e3]),
        'RSS kB/stream': spreadOf([residentBytes / 1e3]),
        'CPU ms to open': spreadOf([openMicros / 1e3]),
        'idle CPU ms/s': spreadOf([idleMsPerSecond]),
      },
    })),
    results: resultsOf(figures, options.streams),
  };
}

function resultsOf(figures: readonly Figures[], streams: number): Result[] {
  const [synclog, , raw] = figures;
  if (!synclog || !raw) return [];
  const beyond = (of: string, figure: number, unit: Result['unit'], bound: number): Result => ({
    of,
    reached: spreadOf([figure]),
    unit,
    goal: { bound, better: 'lower' },
  });
  return [
    beyond('heap beyond a raw socket', (synclog.heapBytes - raw.heapBytes) / 1e3, ' kB', 10),
    beyond('CPU to open beyond a raw socket', (synclog.openMicros - raw.openMicros) / 1e3, ' ms', 0.4),
    beyond('idle CPU', synclog.idleMsPerSecond, ' ms/s', (20 * streams) / STREAMS_OF_GOAL),
    beyond('p99 of /sync/recent against without', synclog.slower ?? Number.NaN, 'x', 1.2),
  ];
}

function figuresOf(
  name: StreamServer,
  wireOf: (server: MeasuredServer) => Wire,
  setup: StreamsSetup,
): Promise<Figures> {
  const { streams, seconds } = setup.options;
  const idleSeconds = Math.min(IDLE_SECONDS.most, seconds * IDLE_SECONDS.perSecondOfRound);
  return withStreamServers(setup, [name], async (servers) => {
    const server = serverOf(servers, name);
    const isSynclog = name === 'Synclog';
    const alone = isSynclog ? await p99(server, setup) : 0;
    const heap = await server.heap();
    const before = usageOf(server.pid);
    const subscribers = await openSubscribers(wireOf(server), streams);
    const open = usageOf(server.pid);
    await pause(idleSeconds * 1_000);
    const idle = usageOf(server.pid);
    const slower = isSynclog ? (await p99(server, setup)) / alone : undefined;
    const heapBytes = ((await server.heap()) - heap) / streams;
    await subscribers.cut();
    return {
      name,
      heapBytes,
      residentBytes: (idle.residentBytes - before.residentBytes) / streams,
      openMicros: (open.cpuMicros - before.cpuMicros) / streams,
      idleMsPerSecond: (idle.cpuMicros - open.cpuMicros) / 1e3 / idleSeconds,
      ...(slower !== undefined && { slower }),
    };
  });
}

/** Of `/sync/recent`, one request at a time, on a server that has been warmed up. */
async function p99({ url }: MeasuredServer, { database, options }: StreamsSetup): Promise<number> {
  const shots = userIds(1, options.users).map((id) => restShot(id, { 'x-api-key': database.apiKey }));
  await load(url, shots, { requests: REQUESTS }, { connections: 1 });
  const { p99Ms } = await load(url, shots, { requests: REQUESTS }, { connections: 1 });
  return p99Ms;
}

/** @throws where this process, and so the server, may not open so many sockets */
function checkOpenFiles(streams: number): void {
  const [, limit] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  if (limit !== undefined && Number(limit) < streams + OTHER_FILES)
    throw new Error(
      `${streams} streams need as many open files, and the limit is ${limit}: raise it (ulimit -n) or take fewer --streams`,
    );
}
