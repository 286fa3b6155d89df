import { userId } from '../data/fill.ts';
import type { Shot } from '../measure/load.ts';
import { graphqlShot, recentDocument, userIds, usersDocument } from './requests.ts';

/** Who asks, and of how many users. */
export interface Reader {
  readonly apiKey: string;
  /** Users numbered from 1. */
  readonly users: number;
  /** The number of the user who has a tenth of all events. */
  readonly longLogUser: number;
}

/** A read that is to cost the same however large the world is. */
export interface ScaleWorkload {
  readonly title: string;
  shots(reader: Reader): Shot[];
}

/** Different users of one round. */
const READ_USERS = 500;
/** A word that nothing matches. */
const NOBODY = 'nobody';

const one = (query: string, variablesOf: (reader: Reader) => object): ScaleWorkload['shots'] => {
  return (reader) => [graphqlShot(query, variablesOf(reader), { 'x-api-key': reader.apiKey })];
};
const longLog = ({ longLogUser }: Reader) => ({ id: userId(longLogUser) });

export const scaleWorkloads: readonly ScaleWorkload[] = [
  {
    title: 'R3: another user each time',
    shots: ({ apiKey, users }) =>
      userIds(1, Math.min(users, READ_USERS)).map((id) => graphqlShot(recentDocument, { id }, { 'x-api-key': apiKey })),
  },
  { title: 'R5: 20 users with 5 events each', shots: one(usersDocument, () => ({ first: 20 })) },
  {
    title: 'events by a filter without a match, of the longest log',
    shots: one(
      `query ($id: UUID!) { user(id: $id) { recentSyncEvents(filter: { providers: ["${NOBODY}"] }) { id } } }`,
      longLog,
    ),
  },
  {
    title: 'the oldest page of the longest log',
    shots: one(
      'query ($id: UUID!) { user(id: $id) { syncEvents(first: 50) { edges { node { id sequence } } } } }',
      longLog,
    ),
  },
  {
    title: 'runs of the longest log by a filter without a match',
    shots: one(
      `query ($id: UUID!) { user(id: $id) { syncRuns(filter: { providers: ["${NOBODY}"] }) { edges { node { runId } } } } }`,
      longLog,
    ),
  },
  {
    title: 'runs of everybody by a filter without a match',
    shots: one(`{ syncRuns(filter: { providers: ["${NOBODY}"] }) { edges { node { runId } } } }`, () => ({})),
  },
  {
    title: 'failed runs of everybody, of whom there are none',
    shots: one('{ syncRuns(filter: { statuses: [FAILED] }) { edges { node { runId } } } }', () => ({})),
  },
  {
    title: 'users by a search without a match',
    shots: one(`{ users(search: "${NOBODY}") { edges { node { id } } } }`, () => ({})),
  },
];
