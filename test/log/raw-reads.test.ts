import { afterAll, expect, onTestFinished, test } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { between, pick } from '../../src/lib/random.ts';
import { openNewDatabase } from '../support/database.ts';
import { mulberry32 } from '../support/seeded.ts';
import { startServer } from '../support/server.ts';

const zone = process.env.TZ;
afterAll(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

test('a raw read has the types of Prisma, and finds times whatever the zone of the process', async () => {
  const { database } = await openNewDatabase();
  process.env.TZ = 'America/New_York'; // before 1883, its offset had seconds
  const createdAt = new Date('0999-01-01T00:00:00.123Z');
  await database.transaction(async (transaction) => {
    await transaction.source.create({ data: { name: 'one', recorded: 2n ** 40n, connectedAt: createdAt } });
  });
  const query = sql`SELECT name, recorded, lag_ms, connected_at, last_error_at FROM source WHERE connected_at = ${createdAt}`;
  const expected = { name: 'one', recorded: 2n ** 40n, lag_ms: null, connected_at: createdAt, last_error_at: null };
  expect(await database.reader.$queryRaw(query)).toEqual([expected]);
  expect(await database.transaction((transaction) => transaction.$queryRaw(query))).toEqual([expected]);
});

test('a page holds what was recorded, to the last bit and character', async () => {
  const server = await startServer();
  onTestFinished(() => server.close());
  const userId = await server.user();
  const random = mulberry32(20_260_301);
  const texts = ['', '"', '\\', '\u2028', '\u0001', 'Ünïcode 🏃', '{"a":1}', '1e3', 'null'] as const;
  const text = () => pick(random, [null, ...texts]);
  const time = () => pick(random, [null, new Date(between(random, Date.UTC(2000, 0), Date.UTC(2099, 0)))]);
  const tiny = () => random() * 10 ** -between(random, 1, 320);
  const { log } = server.app.services;
  const recorded = [];
  for (let batch = 0; batch < 4; batch += 1) {
    const drafts = Array.from({ length: 500 }, () => ({
      ...{ userId, runId: 'run_1', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' },
      message: text(),
      error: text(),
      progress: pick(random, [null, 0, 1, 5e-324, 0.011242432977803401, random(), tiny()]),
      itemsTotal: pick(random, [null, 0, 2_147_483_647]),
      metadata: { [pick(random, texts)]: [tiny(), text()] },
      startedAt: time(),
      endedAt: time(),
    }));
    recorded.push(...(await log.record(drafts)).map(({ event }) => event));
  }
  const bounds = { userId, headSequence: recorded.length, tailSequence: 1 };
  const all = { log: bounds, limit: recorded.length, fromEnd: false };
  const [page, filtered] = await log.readPages([all, { ...all, filter: { stages: ['fetching'] } }]);
  expect(page).toEqual(recorded);
  expect(filtered).toEqual(recorded);
});
