import { userExport } from './export/user-export.ts';
import { recentEvents } from './recent.ts';
import { eventRecording } from './record.ts';
import type { Route } from './route.ts';
import { runHistory, userHistory } from './run-history-routes.ts';
import { allRuns, userRuns } from './run-lists.ts';
import { eventStream } from './stream.ts';

export const BASE_PATH = '/api/v1';

/** Where a user token stands in a query, on the routes that take one there. */
export const TOKEN_PARAMETER = 'access_token';

/** Everything that REST offers. */
export const routes: readonly Route[] = [
  recentEvents,
  userRuns,
  allRuns,
  userHistory,
  runHistory,
  eventStream,
  eventRecording,
  userExport,
];
