import { type RawAnswer, send } from './raw-requests.ts';
import type { TestServer } from './server.ts';

/** JSON that is so many lists, or objects, deep. */
export const deepList = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
export const deepObject = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

export const recordMutation =
  'mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) { results { duplicate } } }';

/** A recording that stands in a document without variables; `fields` join or replace those of a usual event. */
export const recordLiteral = (userId: string, fields: string) =>
  `mutation { recordSyncEvents(input: { events: [{ userId: "${userId}" runId: "r" provider: "p" source: PULL
    stage: QUEUED status: IN_PROGRESS ${fields} }] }) { results { duplicate } } }`;

/** Sends an operation whose variables are JSON that no JavaScript value would write. */
export const sendJson = ({ url, admin }: TestServer, query: string, variables: string): Promise<RawAnswer> =>
  send(url, {
    headers: { 'content-type': 'application/json', ...admin },
    body: `{"query":${JSON.stringify(query)},"variables":${variables}}`,
  });
