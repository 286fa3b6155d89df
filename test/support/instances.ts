import { pino } from 'pino';
import { type App, createApp } from '../../src/app.ts';
import { parseConfig } from '../../src/config.ts';
import type { Limits } from '../../src/limits.ts';
import { anEvent, type Headers, testSettings } from './server.ts';
import { graphql, newUser } from './server-process.ts';

/** Several servers on one database, in this process. */
export interface Instances {
  readonly apps: readonly [App, App, ...App[]];
  /** Headers of a key with all scopes. */
  readonly admin: Headers;
  user(): Promise<string>;
  /** Records that many events of a user through one of the instances. */
  record(app: App, userId: string, count?: number, event?: object): Promise<void>;
  close(): Promise<void>;
}

export async function startInstances(
  databaseUrl: string,
  { settings = {}, limits = {} }: { settings?: Record<string, string>; limits?: Partial<Limits> } = {},
): Promise<Instances> {
  const config = parseConfig({ ...testSettings, DATABASE_URL: databaseUrl, ...settings });
  const start = () => createApp(config, { logger: pino({ level: process.env.FAULTS_LOG ?? 'silent' }), limits });
  const apps = await Promise.all([start(), start()]); // at once, as a deployment starts them
  const { secret } = await apps[0].services.keys.create({
    name: 'admin',
    scopes: ['read', 'write', 'admin'],
    expiresAt: null,
  });
  const admin = { 'x-api-key': secret };
  return {
    apps,
    admin,
    user: () => newUser({ url: apps[0].url, headers: admin }),
    async record(app, userId, count = 1, event = {}) {
      await graphql(
        { url: app.url, headers: admin },
        'mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) { results { duplicate } } }',
        { events: Array.from({ length: count }, () => ({ ...anEvent, userId, ...event })) },
      );
    },
    async close() {
      await Promise.all(apps.map((app) => app.close()));
    },
  };
}
