import type { ProviderLink } from '../db/rows.ts';
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

/** Does a connection match, as it is stored? The lists ask the database the same. */
export function matchesLink(link: ProviderLink, filter: LinkFilter | null | undefined): boolean {
  if (!filter) return true;
  return (
    isOneOf(link.state, filter.state) &&
    isOneOf(link.health, filter.health) &&
    isOneOf(link.reasonClass, filter.reason) &&
    isOneOf(link.scope, filter.scope) &&
    isOneOf(link.provider, filter.provider)
  );
}

function isOneOf(value: string, wanted: readonly string[] | null | undefined): boolean {
  return wanted?.includes(value) ?? true;
}
