import type { Authenticate } from '../auth/authenticate.ts';
import type { CredentialWatch } from '../auth/credential-watch.ts';
import type { Limits } from '../limits.ts';
import { Admission } from './admit.ts';
import { ClientAddresses } from './clients.ts';
import { type OnFull, OpenStreams } from './open-streams.ts';
import { type MetricsAccess, OperatorAccess } from './operator-access.ts';
import { Origins } from './origins.ts';
import type { RateLimits } from './rate-limits.ts';

/**
 * What every door asks first: who is there, from where, from which page, for how long, and how much of it. How much may be
 * read: `read-body.ts`.
 */
export interface Gate {
  readonly admission: Admission;
  readonly addresses: ClientAddresses;
  readonly origins: Origins;
  readonly streams: OpenStreams;
  readonly rates: RateLimits;
  readonly operators: OperatorAccess;
}

/** One gate for all doors of a server. @param shutdown aborts when the server stops. */
export function createGate(options: {
  readonly authenticate: Authenticate;
  readonly credentials: CredentialWatch;
  readonly corsOrigins: readonly string[];
  readonly servesLocalPages: boolean;
  readonly trustedProxies: readonly string[];
  readonly metricsAccess: MetricsAccess;
  readonly rates: RateLimits;
  readonly limits: Limits;
  readonly shutdown: AbortSignal;
  readonly onFull: OnFull;
}): Gate {
  const admission = new Admission(options.authenticate, options.rates);
  return {
    admission,
    addresses: new ClientAddresses(options.trustedProxies),
    origins: new Origins(options.corsOrigins, options),
    streams: new OpenStreams(options.credentials, options.limits, options.shutdown, options.onFull),
    rates: options.rates,
    operators: new OperatorAccess(admission, options.metricsAccess),
  };
}
