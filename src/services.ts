import type { ActCounts } from './audit/act-counts.ts';
import type { Audit } from './audit/audit.ts';
import type { ApiKeys } from './auth/api-keys.ts';
import type { CredentialWatch } from './auth/credential-watch.ts';
import type { Tokens } from './auth/jwt.ts';
import type { HiddenTexts } from './auth/producer-texts.ts';
import type { Connections } from './connections/connections.ts';
import type { DataTypes } from './data-types/data-types.ts';
import type { ProviderLink, SyncRun } from './db/rows.ts';
import type { Clock } from './lib/clock.ts';
import type { Limits } from './limits.ts';
import type { RowChanges } from './log/changes/row-changes.ts';
import type { EventLog } from './log/event-log.ts';
import type { Retention } from './log/retention.ts';
import type { RunHistory } from './runs/run-history.ts';
import type { Runs } from './runs/runs.ts';
import type { Sources } from './sources/sources.ts';
import type { Users } from './users/users.ts';

/**
 * What the nouns offer to the GraphQL schema and the transports; one of each for an app, opened in `open-services.ts`.
 *
 * A noun is one class, its service. The constructor takes one object of parts (the database, the limits, the clock, other
 * services) and does nothing visible; whatever a service opens or starts later, its `close` ends. Each method says in
 * its comment what it answers, in how many statements and with which errors. A service knows neither GraphQL nor who is
 * asking, but for the name that it puts into the audit log: a resolver checks access, calls one method and returns. The database is a part of services and no service, so
 * no resolver can reach it.
 */
export interface Services {
  readonly log: EventLog;
  readonly retention: Retention;
  readonly runs: Runs;
  readonly runChanges: RowChanges<SyncRun>;
  readonly runHistory: RunHistory;
  readonly dataTypes: DataTypes;
  readonly connections: Connections;
  readonly connectionChanges: RowChanges<ProviderLink>;
  readonly users: Users;
  readonly audit: Audit;
  readonly actCounts: ActCounts;
  readonly sources: Sources;
  readonly keys: ApiKeys;
  readonly tokens: Tokens;
  readonly credentials: CredentialWatch;
  readonly limits: Limits;
  /** What whoever has a token for one user is not shown of what producers write. */
  readonly hiddenFromUsers: HiddenTexts;
  /** The database's, which all instances share: what time it is for whatever is stored or judged. */
  readonly clock: Clock;
}
