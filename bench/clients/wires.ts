import { userId } from '../data/fill.ts';
import type { MeasuredServer } from '../measure/server-process.ts';
import type { Wire } from './subscribers.ts';

const event =
  'id sequence cursor runId provider source stage status message progress itemsProcessed itemsTotal timestamp recordedAt';
const document = `subscription ($id: UUID!, $after: SyncCursor) {
  syncEvents(userId: $id, after: $after) { cursor caughtUp events { ${event} } } }`;

const webSocket = ({ url }: MeasuredServer) => url.replace('http', 'ws');

/** Whom the subscriber with a number follows, and after which cursor. */
export type Followed = (index: number) => { readonly user: number; readonly after?: string };

export function synclogWire(server: MeasuredServer, apiKey: string, followed: Followed): Wire {
  return {
    address: () => `${webSocket(server)}/graphql`,
    protocol: 'graphql-transport-ws',
    init: JSON.stringify({ type: 'connection_init', payload: { 'x-api-key': apiKey } }),
    greets: true,
    subscribe(index) {
      const { user, after } = followed(index);
      return subscription(document, { id: userId(user), after });
    },
  };
}

/** The same document, in the stock server's spelling. */
export function stockWire(server: MeasuredServer, followed: Followed): Wire {
  const query = document.replace('UUID!', 'ID!').replace('SyncCursor', 'String');
  return {
    address: () => `${webSocket(server)}/graphql`,
    protocol: 'graphql-transport-ws',
    init: '{"type":"connection_init"}',
    subscribe: (index) => subscription(query, { id: userId(followed(index).user) }),
  };
}

/** A socket whose address names the user. */
export function rawWire(server: MeasuredServer, followed: Followed): Wire {
  return { address: (index) => `${webSocket(server)}/${userId(followed(index).user)}` };
}

function subscription(query: string, variables: object): string {
  return JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables } });
}
