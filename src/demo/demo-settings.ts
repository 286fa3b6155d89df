import { randomBytes } from 'node:crypto';
import { isLoopback } from '../lib/loopback.ts';

/** The demo's own file, so that its people are in no other database. */
export const demoDatabaseUrl = 'file:./data/demo.db';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The environment with the demo's defaults where it says nothing. */
export function withDemoDefaults(environment: Environment): Environment {
  return {
    ...environment,
    DATABASE_URL: environment.DATABASE_URL || demoDatabaseUrl,
    JWT_SECRET: environment.JWT_SECRET || demoJwtSecret(environment.HOST),
    LOG_LEVEL: environment.LOG_LEVEL || 'warn',
    // It is for one person, who would be puzzled by it, and begins with much to do.
    LOAD_SHEDDING: environment.LOAD_SHEDDING || 'off',
    INTROSPECTION: environment.INTROSPECTION || 'on',
  };
}

/**
 * The secret of the demo's API key. Where only this machine reaches the demo, it is always the same, so that what has been
 * written down, or stands in a page, is good with the next start as well. Everybody can read it here; where others reach the
 * demo it is made anew.
 */
export function demoApiKey(host: string): string {
  return isLoopback(host) ? `sk-${'de30'.repeat(16)}` : `sk-${randomBytes(32).toString('hex')}`;
}

function demoJwtSecret(host: string | undefined): string {
  return isLoopback(host || '127.0.0.1')
    ? 'the secret of the demo, for this machine alone'
    : randomBytes(32).toString('hex');
}
