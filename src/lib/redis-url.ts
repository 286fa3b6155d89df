import { z } from 'zod';

/** Reads a setting that is the URL of a Redis. Its user and password can be decoded, as ioredis does later. */
export const redisUrl = z.url({ protocol: /^rediss?$/, error: 'must be a redis(s) URL' }).refine(canBeDecoded, {
  error:
    'has a % that begins no character; in user and password, write % as %25, / as %2F, # as %23, ? as %3F, @ as %40',
  when: ({ issues }) => issues.length === 0,
});

function canBeDecoded(url: string): boolean {
  const { username, password } = new URL(url);
  try {
    for (const part of [username, password]) decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}
