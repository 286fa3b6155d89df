interface Place {
  /** Of the server, as a client on this machine reaches it. */
  readonly url: string;
  readonly apiKey: string;
  /** Whose syncs the commands show. */
  readonly userId: string;
  readonly showsGraphiql: boolean;
}

/** What to do with a server one has never seen: a page to open, and commands that run as they are. */
export function firstSteps({ url, apiKey, userId, showsGraphiql }: Place): string[] {
  const key = `-H 'X-API-Key: ${apiKey}'`;
  const query = `{ user(id: "${userId}") { firstName recentSyncEvents(limit: 3) { timestamp provider stage status message } } }`;
  const subscription = `subscription { syncEvents(userId: "${userId}", replayLast: 1) { cursor events { timestamp provider stage status progress message } } }`;
  return [
    showsGraphiql ? `GraphiQL  ${url}/graphql` : `Server    ${url}`,
    `API key   ${apiKey}`,
    '',
    '# A user with the newest events nested in it',
    `curl -G '${url}/graphql' ${key} --data-urlencode 'query=${query}'`,
    '# The same log, live',
    `curl -N -G '${url}/graphql' ${key} -H 'Accept: text/event-stream' --data-urlencode 'query=${subscription}'`,
    '# REST',
    `curl '${url}/api/v1/users/${userId}/sync/recent?limit=5' ${key}`,
  ];
}
