import { existsSync, readdirSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { between, type Random } from '../../src/lib/random.ts';
import { fewBytes, startFaultyProxy } from '../support/faulty-proxy.ts';
import { checkModel } from '../support/model/checker.ts';
import { startFollower } from '../support/model/follower.ts';
import { type RecorderWorld, runRecorder } from '../support/model/recorder.ts';
import { readStored } from '../support/model/stored.ts';
import { mulberry32 } from '../support/seeded.ts';
import { newUser, startProcess } from '../support/server-process.ts';

/** Replays the random choices of an earlier run. Who comes first is up to the machine, so not every run of a seed is alike. */
const seed = Number(process.env.MODEL_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** How many times longer than in CI. */
const scale = Number(process.env.MODEL_SCALE ?? 1);

const userCount = 5;
const recorderCount = 6;
const followerCount = 24;
const eventCount = 8_000 * scale;
const killCount = Math.round(4 * scale);

test(
  'whatever is cut or killed, what was acknowledged is stored once and in order, and followers see it so',
  async () => {
    process.stdout.write(`model test: MODEL_SEED=${seed} MODEL_SCALE=${scale}\n`);
    const random = mulberry32(seed);
    const fork = (): Random => mulberry32(between(random, 0, 2 ** 31));
    const server = await startProcess({ LOG_LEVEL: 'error' });
    onTestFinished(() => server.remove());
    const proxy = await startFaultyProxy(server.url, fewBytes(fork()));
    onTestFinished(() => proxy.close());

    const userIds = [];
    for (let user = 0; user < userCount; user += 1) userIds.push(await newUser(server));
    let clock = 0;
    let acknowledged = 0;
    let wakeKiller = () => {};
    const world: RecorderWorld = {
      url: proxy.url,
      headers: server.headers,
      userIds: userIds as [string, ...string[]],
      listening: () => server.listening(),
      now: () => ++clock,
      acknowledged(events) {
        acknowledged += events;
        wakeKiller();
      },
      enough: () => acknowledged >= eventCount,
    };
    const acknowledgedUpTo = async (count: number) => {
      while (acknowledged < count)
        await new Promise<void>((resolve) => {
          wakeKiller = resolve;
        });
    };

    const followers = Array.from({ length: followerCount }, () => startFollower(world, fork()));
    const recording = Promise.all(
      Array.from({ length: recorderCount }, (_, index) => runRecorder(world, fork(), `recorder ${index}`)),
    );
    let openFiles = 0;
    for (let kill = 1; kill <= killCount; kill += 1) {
      await acknowledgedUpTo(Math.floor(((kill - random() / 2) * eventCount) / (killCount + 1)));
      openFiles = Math.max(openFiles, countOpenFiles(server.pid));
      await server.end('SIGKILL');
      await server.start();
    }
    const reports = await recording;
    await server.end('SIGKILL');
    await server.start();

    const heads = new Map(
      (await readStored(server.databaseUrl)).users.map(({ id, headSequence }) => [id, headSequence]),
    );
    const latecomers = userIds.map(() => startFollower(world, fork()));
    await Promise.all([...followers, ...latecomers].map(({ view, finish }) => finish(heads.get(view.userId) ?? 0)));
    await server.end('SIGKILL');

    const views = [...followers, ...latecomers].map(({ view }) => view);
    const findings = checkModel(await readStored(server.databaseUrl), reports, views);
    const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
    const figures = {
      seed,
      kills: killCount + 2,
      cuts: proxy.cuts,
      requests: sum(reports.map(({ requests }) => requests)),
      unanswered: sum(reports.map(({ failures }) => failures)),
      refused: sum(reports.map(({ refused }) => refused.length)),
      acknowledged,
      followers: views.length,
      sessions: sum(views.map(({ sessions }) => sessions)),
      payloads: sum(views.map(({ payloads }) => payloads)),
      seen: sum(views.map(({ events }) => events.length)),
      missing: findings.count('missing'),
      duplicated: findings.count('duplicated'),
      'out of order': findings.count('out of order') + findings.count('out of commit order'),
      'open files': openFiles,
    };
    process.stdout.write(
      `model test: ${Object.entries(figures)
        .map(([name, value]) => `${name} ${value}`)
        .join(', ')}\n`,
    );
    expect(findings.examples).toEqual([]);
    expect(server.output).toEqual([]);
  },
  300_000 * Math.max(1, scale),
);

function countOpenFiles(pid: number | undefined): number {
  const folder = `/proc/${pid}/fd`;
  return existsSync(folder) ? readdirSync(folder).length : Number.NaN;
}
