import type { MeasuredServer } from '../measure/server-process.ts';

/** Where a page of users begins: the cursor as Synclog gives it, and the id of the user before, as peers take it. */
export interface PageStart {
  readonly synclog: string;
  readonly peers: string;
}

/** The largest page that Synclog gives. */
const LISTED_AT_ONCE = 100;

/**
 * Walks the list of users, without a look at their events, and tells where each page but the first begins.
 * @param count of pages
 */
export async function pageStarts(
  { url }: MeasuredServer,
  headers: Readonly<Record<string, string>>,
  { size, count }: { readonly size: number; readonly count: number },
): Promise<PageStart[]> {
  const starts: PageStart[] = [];
  let seen = 0;
  let after: string | undefined;
  while (starts.length < count) {
    const edges = await listUsers(url, headers, after);
    for (const { cursor, node } of edges) {
      seen += 1;
      if (seen % size === 0) starts.push({ synclog: cursor, peers: node.id });
      after = cursor;
    }
    if (edges.length < LISTED_AT_ONCE) break;
  }
  return starts.slice(0, count);
}

interface UserEdge {
  readonly cursor: string;
  readonly node: { readonly id: string };
}

async function listUsers(
  url: string,
  headers: Readonly<Record<string, string>>,
  after: string | undefined,
): Promise<readonly UserEdge[]> {
  const query = `query ($after: String) { users(first: ${LISTED_AT_ONCE}, after: $after) { edges { cursor node { id } } } }`;
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query, variables: { after } }),
  });
  const { data } = (await response.json()) as { data: { users: { edges: UserEdge[] } } };
  return data.users.edges;
}
