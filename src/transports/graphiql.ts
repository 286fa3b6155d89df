import type { GraphiQLOptions } from 'graphql-yoga';

/** What GraphiQL shows when it is opened: false for no page at all. */
export type GraphiqlPage = GraphiQLOptions | false;

const exampleUserId = '00000000-0000-4000-8000-000000000000';

/**
 * GraphiQL with tabs that are ready to run. Its assets are part of the page, so it works without the internet.
 * `userId` goes into the tabs; `headers` are sent with every operation until the reader changes them.
 */
export function graphiqlPage({
  userId = exampleUserId,
  apiKey,
}: {
  readonly userId?: string;
  readonly apiKey?: string;
} = {}): GraphiqlPage {
  const headers = JSON.stringify({ 'X-API-Key': apiKey ?? 'sk-…' }, null, 2);
  return {
    title: 'Synclog',
    headers,
    subscriptionsProtocol: 'WS',
    defaultTabs: [nestedQuery, liveSubscription, recording].map((query) => ({
      query: query.replaceAll('USER_ID', userId),
      headers,
    })),
  };
}

const nestedQuery = `# A user with the newest sync events and runs. Press Ctrl+Enter.
query UserWithSyncs {
  user(id: "USER_ID") {
    firstName
    lastName
    headCursor
    recentSyncEvents(limit: 10) {
      cursor
      timestamp
      provider
      source
      stage
      status
      progress
      message
    }
    syncRuns(first: 5) {
      edges {
        node {
          runId
          provider
          status
          startedAt
          durationMs
          itemsProcessed
          eventCount
        }
      }
    }
  }
}
`;

const liveSubscription = `# The last ten events of the log, then everything that comes, live.
subscription FollowSyncs {
  syncEvents(userId: "USER_ID", replayLast: 10) {
    cursor
    caughtUp
    events {
      cursor
      timestamp
      provider
      stage
      status
      progress
      itemsProcessed
      itemsTotal
      message
    }
  }
}
`;

const recording = `# Records an event. Keep a subscription open in another tab and see it arrive.
mutation RecordEvent {
  recordSyncEvents(
    input: {
      events: [
        {
          userId: "USER_ID"
          runId: "graphiql_run"
          provider: "oura"
          source: PULL
          stage: FETCHING
          status: IN_PROGRESS
          progress: 0.5
          message: "Hello from GraphiQL"
        }
      ]
    }
  ) {
    results {
      duplicate
      event {
        id
        cursor
        recordedAt
      }
    }
  }
}
`;
