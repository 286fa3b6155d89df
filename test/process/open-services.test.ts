import pg from 'pg';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { defaultLimits } from '../../src/limits.ts';
import { openServices } from '../../src/open-services.ts';
import { createDatabase, provider } from '../support/database.ts';
import { showsOpenFiles, timesOpen } from '../support/open-files.ts';

const draft = { runId: 'r', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };
const settings = { userVisible: [], redisUrl: undefined, retentionDays: 30, jwtSecret: undefined, jwks: undefined };
const options = {
  limits: { ...defaultLimits, eventsPerTransaction: 1 },
  ...{ clock: undefined, logger: pino({ level: 'silent' }), onStatement: undefined, ownKey: undefined },
};

async function newUrl(): Promise<string> {
  const { url, drop } = await createDatabase();
  onTestFinished(drop);
  return url;
}

/** How many connections there are to a database. */
async function connectionsTo(url: string): Promise<number> {
  if (provider === 'sqlite') return timesOpen(url);
  const client = new pg.Client(url);
  await client.connect();
  const { rows } = await client.query(
    'SELECT count(*)::int AS others FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  );
  await client.end();
  return rows[0].others;
}

const canTell = provider === 'postgresql' || showsOpenFiles;

describe.runIf(canTell)('services that cannot be opened leave nothing open', () => {
  test('when the last of them cannot', async () => {
    const databaseUrl = await newUrl();
    const jwks = { url: 'nowhere', issuer: 'i', audience: 'a' };
    await expect(openServices({ ...settings, databaseUrl, jwks }, options)).rejects.toThrow('Invalid URL');
    await expect.poll(() => connectionsTo(databaseUrl)).toBe(0);
  });

  test.runIf(provider === 'postgresql')('when the clock of the database cannot be read', async () => {
    const databaseUrl = await newUrl();
    const onStatement = ({ sql }: { sql: string }) => {
      if (sql.includes('clock_timestamp()')) throw new Error('nobody expects this');
    };
    await expect(openServices({ ...settings, databaseUrl }, { ...options, onStatement })).rejects.toThrow('nobody');
    await expect.poll(() => connectionsTo(databaseUrl)).toBe(0);
  });
});

test('services are closed when all that the log has accepted is answered', async () => {
  const databaseUrl = await newUrl();
  const { services, close } = await openServices({ ...settings, databaseUrl }, options);
  const { id: userId } = await services.users.upsert({});
  let answered = 0;
  const accepted = Array.from({ length: 10 }, async () => {
    await services.log.record([{ ...draft, userId }]);
    answered += 1;
  });
  await close();
  expect(answered).toBe(10);
  await Promise.all(accepted);
});
