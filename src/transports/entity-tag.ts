import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** What an answer with an entity tag says beside it: it is for this reader alone, and no cache on the way may have it. */
export const notStored = 'private, no-store';

/** The tag of a body: the same bytes have the same one. */
export function entityTagOf(body: Buffer): string {
  return `"${createHash('sha256').update(body).digest('base64url')}"`;
}

/** Does the client have the body with this tag already? (RFC 9110, 13.1.2; the comparison is weak.) */
export function isKnown({ headers }: Pick<IncomingMessage, 'headers'>, tag: string): boolean {
  const known = headers['if-none-match'];
  if (known === undefined) return false;
  return known.split(',').some((each) => [tag, '*'].includes(each.trim().replace(/^W\//, '')));
}
