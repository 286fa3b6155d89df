import { z } from 'zod';
import { withLowerScheme } from './lower-scheme.ts';

/** Databases are numbered by Redis with a C int. */
const LARGEST_DATABASE = 2 ** 31 - 1;

/**
 * Reads a setting that is the URL of a Redis, with nothing in it that ioredis would read as something else or pass over:
 * it takes any text for a database, ignores a user without a password, makes options of its own of parameters, and encrypts
 * for `rediss://` in lower case alone.
 */
export const redisUrl = z
  .string()
  .trim()
  .pipe(z.url({ protocol: /^rediss?$/, error: 'must be a redis(s) URL' }))
  .overwrite(withLowerScheme)
  .superRefine((text, context) => {
    const problem = URL.canParse(text) ? problemOf(new URL(text)) : undefined; // what cannot be parsed has been told
    if (problem) context.addIssue({ code: 'custom', message: problem });
  });

/** An error's message. What ioredis attaches to its errors can hold the password, and so can the URL. */
export function withoutSecrets(text: string, url: string): string {
  const { password } = new URL(url); // that it can be decoded was seen when the settings were read
  return [url, password, decodeURIComponent(password)]
    .filter(Boolean)
    .reduce((shown, secret) => shown.replaceAll(secret, '***'), text);
}

/** What is wrong with a URL, without any part of it: it may hold a secret. */
function problemOf({
  protocol,
  hostname,
  port,
  username,
  password,
  pathname,
  searchParams,
  hash,
}: URL): string | undefined {
  if (!/^rediss?:$/.test(protocol)) return undefined;
  if (hostname === '') return 'must name a host, such as redis://redis.example:6379';
  if (hostname.includes(',')) return 'names several hosts, of which this server can use one';
  if (port === '0') return 'has a port that is not 1 to 65535';
  if (!canBeDecoded(username) || !canBeDecoded(password))
    return 'has a % that begins no character; in user and password, write % as %25, / as %2F, # as %23, ? as %3F, @ as %40';
  if (username !== '' && password === '') return 'names a user without a password';
  if (hash !== '') return 'has a # that belongs to no part of it; in user and password, write # as %23';
  const { db = '', family = '0', ...others } = Object.fromEntries(searchParams);
  if (Object.keys(others).length > 0 || !/^[046]$/.test(family))
    return 'may have no parameters but db and family (4 or 6); in user and password, write ? as %3F';
  if (pathname.length > 1 && db !== '') return 'names a database twice, in its path and as db';
  if (![pathname.replace('/', ''), db].every(isDatabase))
    return `must name the database by a number, 0 to ${LARGEST_DATABASE}, or none, such as redis://redis.example:6379/0`;
  return undefined;
}

/** None is database 0. */
function isDatabase(text: string): boolean {
  return /^\d{0,10}$/.test(text) && Number(text) <= LARGEST_DATABASE;
}

function canBeDecoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
