import { randomBytes } from 'node:crypto';

/** What every secret starts with. The rest is 256 random bits, so a plain hash without salt cannot be guessed back. */
export const SECRET_PREFIX = 'sk-';
const SECRET_BYTES = 32;
/** So much of a secret is shown for good: 8 digits of 64 tell keys apart, and 56 are left to guess. */
const SHOWN_LENGTH = SECRET_PREFIX.length + 8;

export function newSecret(): string {
  return SECRET_PREFIX + randomBytes(SECRET_BYTES).toString('hex');
}

/** What may be stored and shown of a secret. */
export function shownPartOf(secret: string): string {
  return secret.slice(0, SHOWN_LENGTH);
}
