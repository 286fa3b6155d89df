import { getRequestListener, RequestError } from '@hono/node-server';
import type { GraphQLError } from 'graphql';
import { Hono, type HonoRequest } from 'hono';
import type { Authenticate } from '../../auth/authenticate.ts';
import { credentialsFromHeaders } from '../../auth/credentials.ts';
import type { Viewer } from '../../auth/viewer.ts';
import { AppError } from '../../errors.ts';
import type { Services } from '../../services.ts';
import type { OpenWearablesWebhooks } from '../../sources/open-wearables/webhooks.ts';
import type { GraphqlServer } from '../graphql.ts';
import { detail } from './answer.ts';
import { cors } from './cors.ts';
import { answerFailure } from './failures.ts';
import { addHealth } from './health.ts';
import { addMetrics } from './metrics.ts';
import { addOpenWearablesWebhook } from './open-wearables-webhook.ts';
import { recentEvents } from './recent.ts';
import { eventRecording } from './record.ts';
import type { Handler, Route } from './route.ts';
import { prepareDocument } from './stored-document.ts';

export interface RestOptions {
  readonly graphql: GraphqlServer;
  readonly services: Services;
  readonly authenticate: Authenticate;
  readonly formatError: (error: unknown) => GraphQLError;
  /** Origins of pages that may read answers. */
  readonly corsOrigins: readonly string[];
  /** None without a secret to verify them with. */
  readonly webhooks: OpenWearablesWebhooks | undefined;
  /** How many streams are open. */
  readonly openStreams: () => number;
  /** Aborts when the server begins to shut down. */
  readonly shutdown: AbortSignal;
}

const BASE_PATH = '/api/v1';

/** Everything that REST offers. */
const routes: readonly Route[] = [recentEvents, eventRecording];

/**
 * The REST door: what Open Wearables' clients call, and recording for producers that do not speak GraphQL. Each route
 * is a stored GraphQL document under other names; who may do what, and every bound, is decided behind it.
 */
export function createRestListener(options: RestOptions) {
  const { services, formatError, corsOrigins, shutdown } = options;
  const fail = (error: unknown) => answerFailure(formatError, error);
  const app = new Hono();
  app.onError(fail);
  app.notFound(() => detail(404, 'Not Found'));
  app.use(`${BASE_PATH}/*`, cors(corsOrigins));
  for (const [path, handlers] of openRoutes(options)) {
    app.all(path, async ({ req }) => {
      const handle = handlers.get(req.method);
      if (!handle) return detail(405, 'Method Not Allowed', { allow: [...handlers.keys()].join(', ') });
      return handle(req, await identify(req, options.authenticate));
    });
    app.all(`${path}/`, ({ req }) => withoutTrailingSlash(req));
  }
  addOpenWearablesWebhook(app, { webhooks: options.webhooks, limits: services.limits });
  addMetrics(app, options);
  addHealth(app, { database: services.database, shutdown, onError: formatError });

  return getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    hostname: 'localhost', // stands in for a missing `Host`, which HTTP/1.0 allows
    errorHandler: (error) => (error instanceof RequestError ? detail(400, 'Bad Request') : fail(error)),
  });
}

/** The handlers of each path, by method. */
function openRoutes({ graphql, services }: RestOptions): Map<string, Map<string, Handler>> {
  const paths = new Map<string, Map<string, Handler>>();
  for (const { method, path, open } of routes) {
    const handler = open({
      limits: services.limits,
      prepare: (document) => prepareDocument(graphql, services, document),
    });
    const handlers = paths.get(BASE_PATH + path) ?? new Map<string, Handler>();
    paths.set(BASE_PATH + path, handlers.set(method, handler));
  }
  return paths;
}

/**
 * Who is asking. Open Wearables' SDK tokens are for uploading: here they count as no token at all, so that an API key
 * beside one is looked at. @throws AppError UNAUTHENTICATED, also when nobody is.
 */
async function identify({ raw: { headers } }: HonoRequest, authenticate: Authenticate): Promise<Viewer> {
  const credentials = credentialsFromHeaders((name) => headers.get(name));
  let viewer = await authenticate(credentials);
  if (viewer.kind === 'user' && viewer.via === 'sdk') viewer = await authenticate({ apiKey: credentials.apiKey });
  if (viewer.kind === 'anonymous') throw new AppError('UNAUTHENTICATED', 'There is no credential');
  return viewer;
}

/** The location is relative, so that it holds behind a proxy and whatever `Host` says. */
function withoutTrailingSlash({ url }: HonoRequest): Response {
  const { pathname, search } = new URL(url);
  return new Response(null, {
    status: 307,
    headers: { location: pathname.slice(0, -1) + search, 'content-length': '0' },
  });
}
