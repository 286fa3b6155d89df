import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { createApp } from '../../src/app.ts';
import { parseConfig } from '../../src/config.ts';
import { between, pick } from '../../src/lib/random.ts';
import { buildSchema } from '../../src/schema.ts';
import { createDatabase } from '../support/database.ts';
import { randomQuery, randomSelection } from '../support/random-query.ts';
import { rest } from '../support/rest-client.ts';
import { mulberry32 } from '../support/seeded.ts';
import { startServer, testSettings } from '../support/server.ts';

/** Replays the random choices of an earlier run. */
const seed = Number(process.env.ANSWERS_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** How many times longer than in CI. */
const scale = Number(process.env.ANSWERS_SCALE ?? 1);
const changes = 60 * scale;
const questionsBetween = 8;

test('a server that keeps answers and one that does not answer alike, whatever is asked between whatever changes', async () => {
  process.stdout.write(`same answers: ANSWERS_SEED=${seed} ANSWERS_SCALE=${scale}\n`);
  const random = mulberry32(seed);
  let now = Date.parse('2026-03-01T12:00:00Z');
  const clock = () => now;
  const database = await createDatabase();
  const writing = await startServer({ clock, database });
  const settings = { ...testSettings, DATABASE_URL: database.url, CACHE: 'off' };
  const anew = await createApp(parseConfig(settings), { clock, logger: pino({ level: 'silent' }) });
  onTestFinished(async () => {
    await anew.close();
    await writing.close();
  });

  const runIds = ['run_1', 'run_2', 'run_3'] as const;
  const [first, ...others] = await Promise.all(Array.from({ length: 5 }, () => writing.user()));
  const userIds: [string, ...string[]] = [first as string, ...others]; // five of them
  const schema = buildSchema();
  const viewers = [writing.admin, await writing.userToken(userIds[0]), await writing.key('write'), {}] as const;

  const change = [
    (userId: string) =>
      writing.record({ userId, runId: pick(random, runIds), provider: pick(random, ['oura', 'garmin']) }),
    (userId: string) => writing.record({ userId, stage: 'COMPLETED', status: 'SUCCESS', runId: pick(random, runIds) }),
    (id: string) => writing.user({ id, email: `${between(random, 1, 99)}@example.org` }),
    async (id: string) => {
      await writing.app.services.users.delete(id).catch(() => {});
      await writing.user({ id });
    },
    async () => {
      now += between(random, 1, 3) * 3_600_000;
    },
  ] as const;

  /** Questions are asked again and again, so that most of them are answered with what was kept. */
  const queries = [
    ...Array.from({ length: 20 }, () => randomQuery(schema, random, { userIds, runIds })),
    ...userIds.map(
      (id) => `{ user(id: "${id}") { id email recentSyncEvents(limit: 3) { id user { email } run { status } } } }`,
    ),
    ...userIds.map((id) => `{ user(id: "${id}") { ${randomSelection(schema, 'User', random, { userIds, runIds })} } }`),
    '{ users(first: 3) { edges { cursor node { id email headCursor connections { provider } } } pageInfo { hasNextPage } } }',
  ];
  const paths = userIds.map((id) => `/api/v1/users/${id}/sync/recent?limit=3`);
  for (let round = 0; round < changes; round += 1) {
    await pick(random, change)(pick(random, userIds));
    for (let times = 0; times < questionsBetween; times += 1) {
      const headers = { 'content-type': 'application/json', ...pick(random, [viewers[0], ...viewers]) };
      const query = queries[between(random, 0, queries.length - 1)];
      const path = pick(random, paths as [string, ...string[]]);
      const ask = (url: string) =>
        Promise.all([
          rest(`${url}/graphql`, { method: 'POST', headers, body: { query } }),
          rest(`${url}/graphql?${new URLSearchParams({ query: query ?? '' })}`, { headers }),
          rest(url + path, { headers }),
        ]);
      const [kept, made] = [await ask(writing.url), await ask(anew.url)];
      for (const [door, { status, text }] of kept.entries())
        expect([status, withoutIds(text)], query).toEqual([made[door]?.status, withoutIds(made[door]?.text ?? '')]);
    }
  }
}, 300_000);

/** An unexpected error has another id each time. */
function withoutIds(text: string): string {
  return text.replace(/Internal error; the server's log has it under [\w-]+/g, 'Internal error');
}
