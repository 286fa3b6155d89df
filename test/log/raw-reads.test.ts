import { afterAll, expect, test } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { openNewDatabase } from '../support/database.ts';

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
