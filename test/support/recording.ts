import { type Answer, anEvent, type Headers, type TestServer } from './server.ts';

/** What is special about an event that is to be recorded. */
export type Draft = Record<string, unknown> & { userId: string };

const recordMutation = `mutation ($events: [SyncEventInput!]!) {
  recordSyncEvents(input: { events: $events }) { results { duplicate event { id sequence late timestamp recordedAt } } }
}`;

/** A time of one day, as text. */
export const second = (n: number) => new Date(Date.UTC(2026, 2, 14) + n * 1000).toISOString();

/** Records what is special about each event, and answers whatever the server does. */
export function tryRecord(server: TestServer, events: readonly Draft[], headers?: Headers): Promise<Answer> {
  return server.graphql(recordMutation, { events: events.map((event) => ({ ...anEvent, ...event })) }, headers);
}

/** The codes of an answer's errors. */
export const refusals = ({ errors }: Answer) => errors.map(({ extensions }) => extensions.code);

export async function headOf(server: TestServer, userId: string): Promise<string> {
  const { data } = await server.graphql('query ($id: UUID!) { user(id: $id) { headCursor } }', { id: userId });
  return data.user.headCursor;
}

/** All that can be seen of a user's log. */
export async function everythingOf(server: TestServer, userId: string): Promise<unknown> {
  const { data } = await server.graphql(
    `query ($id: UUID!) { user(id: $id) {
      headCursor
      recentSyncEvents(limit: 200) { id sequence runId message timestamp recordedAt metadata }
      syncRuns(first: 200) { edges { node { runId stage status message eventCount lastEventAt } } }
    } }`,
    { id: userId },
  );
  return data.user;
}
