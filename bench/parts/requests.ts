import { userId } from '../data/fill.ts';
import type { Shot } from '../measure/load.ts';

type Headers = Readonly<Record<string, string>>;

/** 14 fields. */
const event =
  'id sequence cursor runId provider source stage status message progress itemsProcessed itemsTotal timestamp recordedAt';

/** The newest 50 events of a user. */
export const recentDocument = `query ($id: UUID!) { user(id: $id) { recentSyncEvents(limit: 50) { ${event} } } }`;
export const filteredDocument = `query ($id: UUID!, $filter: SyncEventFilter) {
  user(id: $id) { recentSyncEvents(limit: 50, filter: $filter) { ${event} } } }`;
/** A page of users with the newest 5 events of each. */
export const usersDocument = `query ($first: Int!, $after: String) {
  users(first: $first, after: $after) { edges { node { recentSyncEvents(limit: 5) { ${event} } } } } }`;

/** The same with the filter in the text, so that no two texts are the same. */
export function documentWithFilter(providers: readonly string[]): string {
  return recentDocument.replace('limit: 50', `limit: 50, filter: { providers: ${JSON.stringify(providers)} }`);
}

export function graphqlShot(query: string, variables: object, headers: Headers): Shot {
  return {
    method: 'POST',
    path: '/graphql',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query, variables }),
  };
}

export function restShot(id: string, headers: Headers): Shot {
  return { method: 'GET', path: `/api/v1/users/${id}/sync/recent?limit=50`, headers };
}

/** The ids of users with consecutive numbers. */
export function userIds(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) => userId(from + index));
}
