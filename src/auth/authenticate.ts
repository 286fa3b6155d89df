import { AppError } from '../errors.ts';
import type { ApiKeys } from './api-keys.ts';
import type { Credentials } from './credentials.ts';
import type { Tokens } from './jwt.ts';
import { SECRET_PREFIX } from './secret.ts';
import type { Viewer } from './viewer.ts';

/**
 * Finds out who is asking. A good bearer token counts first, then a good API key, even beside a bad token. An API key
 * may also be sent as the bearer token. No credential at all makes an anonymous viewer, as does another scheme than
 * `Bearer`: a proxy in front may have its own use for it.
 * @throws AppError `UNAUTHENTICATED`, whose `extensions.credential` says what was refused: `api_key` or `bearer`;
 * `UNAVAILABLE` when the token or the API key cannot be checked now and no good one stands beside it.
 */
export type Authenticate = (credentials: Partial<Credentials>) => Promise<Viewer>;

export interface AuthenticateOptions {
  readonly keys: Pick<ApiKeys, 'verify'>;
  readonly tokens: Pick<Tokens, 'verify'>;
}

/** One `authenticate` for every transport. */
export function createAuthenticate({ keys, tokens }: AuthenticateOptions): Authenticate {
  return async ({ authorization, apiKey }) => {
    const token = bearerToken(authorization);
    const bearer = token === null ? null : await verifyBearer(token).catch(keepOutage);
    if (bearer && !(bearer instanceof AppError)) return bearer;

    const service = apiKey ? await keys.verify(apiKey) : null;
    if (service) return service;

    if (bearer) throw bearer;
    if (apiKey) throw new AppError('UNAUTHENTICATED', 'Invalid or missing API key', { credential: 'api_key' });
    if (token !== null)
      throw new AppError('UNAUTHENTICATED', 'The bearer token is invalid or has expired', { credential: 'bearer' });
    return { kind: 'anonymous' };
  };

  async function verifyBearer(token: string): Promise<Viewer | null> {
    return token.startsWith(SECRET_PREFIX) ? keys.verify(token) : tokens.verify(token);
  }
}

/**
 * The token behind the scheme `Bearer`, in any case; empty when it is missing. Null for any other scheme. Spaces alone stand
 * between the two (RFC 9110, 11.4): what stands there instead belongs to the token, and makes it a bad one.
 */
function bearerToken(authorization: string | null | undefined): string | null {
  const [, token] = /^ *bearer(?: +|(?=[^!-~])|$)(.*?) *$/is.exec(authorization ?? '') ?? [];
  return token ?? null;
}

/** An outage is held back until it is known whether the other credential is good. */
function keepOutage(error: unknown): AppError {
  if (error instanceof AppError) return error;
  throw error;
}
