import type { GraphQLSchema } from 'graphql';
import { addAccess } from './access/access.graphql.ts';
import { addAllConnections } from './connections/all-connections.graphql.ts';
import { addConnections } from './connections/connections.graphql.ts';
import { addLinkReason } from './connections/link-reason.graphql.ts';
import { addDataTypeWords } from './data-types/data-type-words.graphql.ts';
import { addDataTypes } from './data-types/data-types.graphql.ts';
import { addEvents } from './events/events.graphql.ts';
import { addFollowing } from './events/follow.graphql.ts';
import { addRecording } from './events/record.graphql.ts';
import { addWords } from './events/words.graphql.ts';
import { createBuilder } from './graphql/builder.ts';
import { addScalars } from './graphql/scalars.ts';
import { forgetBetweenMutations } from './operations/forget-between-mutations.ts';
import { addReasons } from './reasons/reasons.graphql.ts';
import { addRunHistory } from './runs/run-history.graphql.ts';
import { addRunReason } from './runs/run-reason.graphql.ts';
import { addRuns } from './runs/runs.graphql.ts';
import { addRunWatching } from './runs/watch-runs.graphql.ts';
import { addSources } from './sources/sources.graphql.ts';
import { addUsers } from './users/users.graphql.ts';

/** The GraphQL schema: one line for each module, in the order in which they build on one another. */
export function buildSchema(): GraphQLSchema {
  const builder = createBuilder();
  addScalars(builder);
  const users = addUsers(builder);
  const words = addWords(builder);
  const events = addEvents(builder, users, words);
  const reasons = addReasons(builder, events);
  const dataTypeWords = addDataTypeWords(builder);
  addRecording(builder, events, words, reasons, dataTypeWords);
  addFollowing(builder, events);
  const runs = addRuns(builder, users, events, words);
  addRunReason(builder, runs, reasons);
  addRunWatching(builder, runs);
  addRunHistory(builder, users, runs, words);
  const connections = addConnections(builder, users, runs);
  addDataTypes(builder, { events, runs, connections, words, reasons, dataTypeWords });
  addLinkReason(builder, connections, reasons);
  addAllConnections(builder, connections, words, reasons);
  addSources(builder);
  addAccess(builder);
  return forgetBetweenMutations(builder.toSchema());
}
