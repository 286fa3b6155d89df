import type { ApiKeys } from './auth/api-key.ts';
import type { Tokens } from './auth/jwt.ts';
import type { Database } from './db/database.ts';
import type { EventLog } from './events/event-log.ts';
import type { Limits } from './limits.ts';
import type { RunChanges } from './runs/run-changes.ts';
import type { Users } from './users/users.ts';

/** What the nouns offer to the GraphQL schema. One of each for an app; `app.ts` makes and closes them. */
export interface Services {
  readonly database: Database;
  readonly log: EventLog;
  readonly runChanges: RunChanges;
  readonly users: Users;
  readonly keys: ApiKeys;
  readonly tokens: Tokens;
  readonly limits: Limits;
}
