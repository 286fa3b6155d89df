import {
  type CryptoKey,
  createRemoteJWKSet,
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  jwtVerify,
  SignJWT,
} from 'jose';
import { AppError, badInput } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { hasKeyTwice } from '../lib/parse-json.ts';
import { isUuid } from '../lib/uuid.ts';
import type { Limits } from '../limits.ts';
import { scopesOfToken } from './token-scopes.ts';
import { type VerifiedToken, VerifiedTokens } from './verified-tokens.ts';
import type { DeveloperViewer, UserViewer } from './viewer.ts';

/**
 * A time in a token is in seconds since 1970. One from the year 2100 on is in milliseconds, so that a token meant for minutes
 * would be good for fifty thousand years.
 */
const OUT_OF_RANGE_SECONDS = Date.UTC(2100, 0) / 1000;

export interface Tokens {
  /**
   * Who a JWT speaks for, or null when it is not good: malformed, wrongly signed, expired, not yet valid, without
   * `sub` or `exp`, with a claim that stands twice, with a time that is out of range (before 1970, or from 2100 on, as one in milliseconds is), or of an algorithm that this server has no key for. There is no leeway for clocks.
   *
   * HS256 is checked with the shared secret only, RS256 and ES256 with the key set only. Of the key set, `iss` and
   * `aud` must match. A shared secret comes with no audience of ours, so an HS256 token that names one was made for
   * somebody else and is refused (RFC 7519, 4.1.3); jose by itself would ignore the claim. Where the key set holds
   * several keys for the algorithm, the token must name its `kid`.
   * @throws AppError `UNAVAILABLE` when the key set cannot be had, so that nothing is known about the token.
   */
  verify(token: string): Promise<DeveloperViewer | UserViewer | null>;
  /**
   * Makes a token with which one user can follow their own log. It lives as long as asked, plus up to a second: the
   * times in a token are whole seconds. `userId` is a UUID; the caller knows that the user exists.
   * @throws AppError `UNAVAILABLE` without a shared secret, `BAD_USER_INPUT` for a life that is not a whole number
   * within `limits.userTokenSeconds`.
   */
  mintUserToken(wish: { readonly userId: string; readonly expiresInSeconds: number }): Promise<{
    readonly token: string;
    readonly expiresAt: Date;
  }>;
}

export interface TokenOptions {
  /** Shared secret of HS256; its UTF-8 bytes are the key. */
  readonly secret: string | undefined;
  /** Where the public keys are, and what their tokens must name as `iss` and `aud`. */
  readonly jwks: { readonly url: string; readonly issuer: string; readonly audience: string } | undefined;
  readonly limits: Pick<Limits, 'userTokenSeconds' | 'bearerTokenLength' | 'verifiedTokensLength'>;
  readonly clock?: Clock;
}

/** Checks and makes bearer tokens. The key set is fetched when the first token needs it, and kept for ten minutes. */
export function createTokens({ secret, jwks, limits, clock = Date.now }: TokenOptions): Tokens {
  const sharedKey = secret === undefined ? undefined : new TextEncoder().encode(secret);
  const publicKeys = jwks === undefined ? undefined : remoteKeys(jwks.url);

  const verified = new VerifiedTokens(limits.verifiedTokensLength);

  /** Remembers a token whose signature `key` has proved, with what reading it came to. */
  function remember(token: string, { header, claims, key }: Pick<VerifiedToken, 'header' | 'claims' | 'key'>) {
    const known: VerifiedToken = { header, claims, key, scopes: scopesOfToken(claims), endsAt: endOf(claims, clock()) };
    verified.set(token, known);
    return known;
  }

  /** A token whose signature and times are good. Throws or answers null for any other. */
  async function verifiedToken(token: string): Promise<VerifiedToken | null> {
    const known = verified.get(token);
    // A key set may have lost the key since.
    if (known && known.key === (known.header.alg === 'HS256' ? sharedKey : await publicKeys?.(known.header)))
      return performance.now() < known.endsAt && isTimeFor(known.claims, clock()) ? known : null;
    if (!isExact(token)) return null;
    const currentDate = new Date(clock());
    const { alg } = decodeProtectedHeader(token);
    if (alg === 'HS256' && sharedKey) {
      const { payload, protectedHeader } = await jwtVerify(token, sharedKey, { algorithms: ['HS256'], currentDate });
      if (payload.aud !== undefined) return null;
      return remember(token, { header: protectedHeader, claims: payload, key: sharedKey });
    }
    if ((alg === 'RS256' || alg === 'ES256') && publicKeys && jwks) {
      const { issuer, audience } = jwks;
      const options = { algorithms: [alg], issuer, audience, currentDate };
      const { payload, protectedHeader, key } = await jwtVerify(token, publicKeys, options);
      return remember(token, { header: protectedHeader, claims: payload, key });
    }
    return null;
  }

  return {
    async verify(token) {
      if (token.length > limits.bearerTokenLength) return null;
      try {
        const good = await verifiedToken(token);
        return good && viewerOf(good, clock());
      } catch (error) {
        if (error instanceof AppError) throw error;
        return null;
      }
    },

    async mintUserToken({ userId, expiresInSeconds }) {
      if (!sharedKey)
        throw new AppError('UNAVAILABLE', 'This server makes no user tokens: its setting JWT_SECRET is empty');
      const { min, max } = limits.userTokenSeconds;
      if (!Number.isInteger(expiresInSeconds) || expiresInSeconds < min || expiresInSeconds > max)
        throw badInput(`expiresInSeconds must be a whole number, ${min} to ${max}`, ['expiresInSeconds']);
      const now = clock() / 1000;
      const expiresAt = Math.ceil(now) + expiresInSeconds;
      const header = { alg: 'HS256', typ: 'JWT' };
      const claims = { scope: 'sync:self', sub: userId, iat: Math.floor(now), exp: expiresAt };
      const token = await new SignJWT(claims).setProtectedHeader(header).sign(sharedKey);
      remember(token, { header, claims, key: sharedKey });
      return { token, expiresAt: new Date(expiresAt * 1000) };
    },
  };
}

/** The key set at `url`. What the token is to blame for stays jose's error; everything else becomes `UNAVAILABLE`. */
function remoteKeys(url: string): (...asked: Parameters<ReturnType<typeof createRemoteJWKSet>>) => Promise<CryptoKey> {
  const keySet = createRemoteJWKSet(new URL(url));
  return async (...asked) => {
    try {
      return await keySet(...asked);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) throw error;
      const outage = new AppError(
        'UNAVAILABLE',
        'The keys that check this token cannot be fetched now; try again later',
      );
      outage.cause = error;
      throw outage;
    }
  };
}

/**
 * Is a token written as every library writes it, and is each of its claims there once? jose takes texts that only decode
 * to the same, so that one token would have many spellings; and of two claims of one name the last, which may widen what the
 * first has narrowed (RFC 7519, 4).
 */
function isExact(token: string): boolean {
  const parts = token.split('.');
  if (parts.length !== 3) return false;
  const decoded = parts.map((part) => Buffer.from(part, 'base64url'));
  if (decoded.some((bytes, index) => bytes.toString('base64url') !== parts[index])) return false;
  return decoded.slice(0, 2).every((bytes) => !hasKeyTwice(bytes.toString()));
}

/** When the time of a token is over, by `performance.now()`. */
function endOf({ exp }: JWTPayload, now: number): number {
  return exp === undefined ? Number.POSITIVE_INFINITY : performance.now() + exp * 1000 - now;
}

/** Do the times in claims still let them pass? They are compared in whole seconds, as jose does. */
function isTimeFor({ nbf, exp }: JWTPayload, now: number): boolean {
  const seconds = Math.floor(now / 1000);
  return (nbf === undefined || nbf <= seconds) && (exp === undefined || exp > seconds);
}

function viewerOf({ claims, scopes }: VerifiedToken, now: number): DeveloperViewer | UserViewer | null {
  const { sub, exp, nbf, iat } = claims;
  if (typeof sub !== 'string' || sub === '' || exp === undefined || !scopes) return null;
  if (![exp, nbf, iat].every(isInRange)) return null;
  const expiresAt = new Date(exp * 1000);
  // jose compares whole seconds, and lets an `exp` pass that no date can hold.
  if (!(expiresAt.getTime() > now)) return null;
  const { via, granted } = scopes;
  if (via) return isUuid(sub) ? { kind: 'user', userId: sub.toLowerCase(), via, expiresAt } : null;
  return { kind: 'developer', subject: sub, scopes: new Set(['read', ...granted]), expiresAt };
}

/** Is a time of a token one in seconds, or not there? jose looks at `iat` not at all, and at no bound of the others. */
function isInRange(time: unknown): boolean {
  return time === undefined || (typeof time === 'number' && time >= 0 && time < OUT_OF_RANGE_SECONDS);
}
