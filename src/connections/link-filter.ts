import type { ReasonClass } from '../reasons/reason-rules.ts';
import type { ConnectionHealth } from './connection-health.ts';
import type { KnownScope } from './fold-connection.ts';
import type { LinkState } from './link-state.ts';

/** Which connections are wanted: those that match every given part. An empty list matches nothing. */
export interface LinkFilter {
  readonly state?: readonly LinkState[] | null | undefined;
  readonly health?: readonly ConnectionHealth[] | null | undefined;
  readonly reason?: readonly ReasonClass[] | null | undefined;
  readonly scope?: readonly KnownScope[] | null | undefined;
  readonly provider?: readonly string[] | null | undefined;
}
