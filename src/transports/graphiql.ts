import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GraphiQLOptions } from 'graphql-yoga';
import { type ErrorCode, errorCodes } from '../errors.ts';
import { accountOf } from '../gate/clients.ts';
import type { Gate } from '../gate/gate.ts';
import type { FormatError } from '../operations/format-error.ts';
import { CompressedText } from './compressed.ts';
import { sendError } from './request-guard.ts';
import { contentSecurityPolicy } from './server-response.ts';

/** What GraphiQL shows when it is opened, decided once or each time: false for no page at all. */
export type GraphiqlPage = GraphiQLOptions | false | (() => GraphiQLOptions);

/** Answers browsers that open the endpoint with the page: nine megabytes, which a browser loads once, and compressed. */
export class GraphiqlPages {
  readonly #page: GraphiqlPage;
  readonly #gate: Pick<Gate, 'rates' | 'addresses'>;
  readonly #formatError: FormatError;
  /** The page as it was last shown, with the options that it was made of. */
  #shown: { readonly options: string; readonly text: CompressedText } | undefined;

  constructor(
    page: GraphiqlPage,
    { gate, formatError }: { readonly gate: Pick<Gate, 'rates' | 'addresses'>; readonly formatError: FormatError },
  ) {
    this.#page = page;
    this.#gate = gate;
    this.#formatError = formatError;
  }

  /**
   * Answers a browser that wants a page; false for any other request, and where there is no page. A page is for anybody, and
   * is charged to the address. Never rejects: what the page is made of is loaded when it is first asked for, and may be gone.
   */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    if (request.method !== 'GET' || !request.headers.accept?.includes('text/html')) return false;
    if (this.#page === false) return false;
    try {
      const { rates, addresses } = this.#gate;
      rates.take('anonymous', accountOf({ kind: 'anonymous' }, addresses.of(request)), 1, 'pages');
      await this.#send(typeof this.#page === 'function' ? this.#page() : this.#page, request, response);
    } catch (error) {
      const shown = this.#formatError(error);
      const code = shown.extensions.code as ErrorCode; // formatted errors have one
      sendError(response, errorCodes[code].httpStatus, shown);
    }
    return true;
  }

  async #send(options: GraphiQLOptions, { headers }: IncomingMessage, response: ServerResponse): Promise<void> {
    const key = JSON.stringify(options);
    if (this.#shown?.options !== key) this.#shown = { options: key, text: await textOf(options) };
    const { 'accept-encoding': accepted, 'if-none-match': ifNoneMatch } = headers;
    const acceptEncoding = Array.isArray(accepted) ? accepted.join() : accepted;
    const { status, headers: given, body } = await this.#shown.text.answer({ acceptEncoding, ifNoneMatch });
    response.writeHead(status, given).end(body);
  }
}

/** The page holds the key that the demo has put into it, if there is one: it is for this reader alone. */
async function textOf(options: GraphiQLOptions): Promise<CompressedText> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql'); // nine megabytes, for who opens the page
  const page = renderGraphiQL(options);
  return new CompressedText(page, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policyOf(page),
  });
}

/** The page runs its own script, by its hash, and no other, and talks to nobody but this server. Its workers are in the script. */
function policyOf(page: string): string {
  const [, script = ''] = /<script>([\s\S]*?)<\/script>/.exec(page) ?? [];
  return contentSecurityPolicy({
    'script-src': `'sha256-${createHash('sha256').update(script).digest('base64')}'`,
    'worker-src': 'blob:',
    'style-src': "'unsafe-inline'",
    'img-src': "'self' data:",
    'font-src': 'data:',
    'connect-src': "'self'",
  });
}

/** GraphiQL's own options that Yoga hands on without listing them. */
type PageOptions = GraphiQLOptions & { readonly storage?: null; readonly initialQuery?: null };

/**
 * GraphiQL with tabs that are ready to run. Its assets are part of the page, so it works without the internet.
 * `userId` goes into the tabs; without one, the first of them finds users. `apiKey` into the headers that are sent with every operation until the reader changes
 * them. Without `introspection` the tabs say why nothing is completed.
 */
export function graphiqlPage({
  userId,
  apiKey,
  introspection = true,
}: {
  readonly userId?: string;
  readonly apiKey?: string;
  readonly introspection?: boolean;
} = {}): GraphiQLOptions {
  const headers = JSON.stringify({ 'X-API-Key': apiKey ?? '' }, null, 2);
  const page: PageOptions = {
    title: 'Synclog',
    logo,
    headers,
    // With 'WS' GraphiQL would send an empty `connection_init`: headers reach it over HTTP only.
    subscriptionsProtocol: 'SSE',
    defaultTabs: [userId === undefined ? findUsers : nestedQuery, liveSubscription, recording].map((query) => ({
      query:
        (introspection ? '' : noSchema) + query.replaceAll('USER_ID', userId ?? 'the id of a user, from the first tab'),
      headers,
    })),
    // What the browser remembers of an earlier server at this address would win over the key that works with this one.
    ...(apiKey !== undefined && { storage: null, initialQuery: null }),
  };
  return page;
}

/**
 * The animation that GraphiQL begins for its tabs while the fonts load throws a tab aside when the mouse goes down on
 * it, so that the first click misses. The logo is the only place for a style.
 */
const logo = `<svg width="28" height="28" viewBox="0 0 28 28" fill="none" stroke="currentColor" stroke-width="3" stroke-linecap="round">
  <style>.graphiql-tab { transform: none !important }</style>
  <path d="M4 6h20M4 14h13M4 22h7" />
  <circle cx="22" cy="20" r="3.5" stroke="#d60690" />
</svg>`;

const noSchema = `# This server does not show its schema (INTROSPECTION=off): operations run, but nothing is completed, and there
# is no documentation here. Synclog's schema.graphql describes all types and fields.
`;

const findUsers = `# Users and their newest events: put a key into "Headers" below, then Ctrl+Enter.
# The other tabs need the id of one of them.
query FindUsers {
  users(first: 5) {
    edges {
      node {
        id
        firstName
        lastName
        headCursor
        recentSyncEvents(limit: 3) {
          cursor
          timestamp
          provider
          stage
          status
          message
        }
      }
    }
  }
}
`;

const nestedQuery = `# A user with events, runs and connections: Ctrl+Enter.
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
          health
          startedAt
          durationMs
          itemsProcessed
          eventCount
        }
      }
    }
    connections {
      provider
      health
      lastDataAt
      explain {
        verdict
        actor
      }
      currentRun {
        runId
        progress
      }
    }
  }
}
`;

const liveSubscription = `# The last ten events, then each new one.
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

const recording = `# Records an event. See it arrive: follow
# the log in a second browser window.
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
