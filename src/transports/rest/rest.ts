import { getRequestListener, RequestError } from '@hono/node-server';
import type { GraphQLError } from 'graphql';
import { Hono, type HonoRequest } from 'hono';
import type { Authenticate } from '../../auth/authenticate.ts';
import { credentialsFromHeaders } from '../../auth/credentials.ts';
import type { Viewer } from '../../auth/viewer.ts';
import { AppError } from '../../errors.ts';
import type { StreamLife } from '../../graphql/context.ts';
import type { Services } from '../../services.ts';
import type { OpenWearablesWebhooks } from '../../sources/open-wearables/webhooks.ts';
import type { GraphqlServer } from '../graphql.ts';
import { addHealth } from '../ops/health.ts';
import { addMetrics } from '../ops/metrics.ts';
import { detail } from './answer.ts';
import { cors } from './cors.ts';
import { addDocs } from './docs.ts';
import { answerFailure } from './failures.ts';
import { addOpenWearablesWebhook } from './open-wearables-webhook.ts';
import { describeApi } from './openapi.ts';
import type { Handler } from './route.ts';
import { BASE_PATH, routes, TOKEN_PARAMETER } from './routes.ts';
import { prepareDocument, prepareStream } from './stored-document.ts';

export interface RestOptions {
  readonly graphql: GraphqlServer;
  readonly services: Services;
  readonly authenticate: Authenticate;
  /** Begins the life of a stream of this viewer; `client` aborts when the client leaves. */
  readonly startStream: (viewer: Viewer, client: AbortSignal) => StreamLife;
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

/**
 * The REST door: what Open Wearables' clients call, and recording for producers that do not speak GraphQL. Each route
 * is a stored GraphQL document under other names; who may do what, and every bound, is decided behind it.
 */
export function createRestListener(options: RestOptions) {
  const { graphql, services, formatError, corsOrigins, shutdown } = options;
  const fail = (error: unknown) => answerFailure(formatError, error);
  const app = new Hono();
  app.onError(fail);
  app.notFound(() => detail(404, 'Not Found'));
  app.use(`${BASE_PATH}/*`, cors(corsOrigins));
  for (const [path, handlers] of openRoutes(options)) {
    app.all(path, async ({ req }) => {
      const handle = handlers.get(req.method);
      return handle ? handle(req) : detail(405, 'Method Not Allowed', { allow: [...handlers.keys()].join(', ') });
    });
    app.all(`${path}/`, ({ req }) => withoutTrailingSlash(req));
  }
  addDocs(app, describeApi(services.limits, graphql.getEnveloped({}).schema));
  addOpenWearablesWebhook(app, { webhooks: options.webhooks, limits: services.limits });
  addMetrics(app, options);
  addHealth(app, { database: services.database, shutdown, onError: formatError });

  return getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    hostname: 'localhost', // stands in for a missing `Host`, which HTTP/1.0 allows
    errorHandler: (error) => (error instanceof RequestError ? detail(400, 'Bad Request') : fail(error)),
  });
}

type Answer = (request: HonoRequest) => Promise<Response>;

/** What answers at each path, by method. */
function openRoutes({ graphql, services, authenticate, startStream }: RestOptions): Map<string, Map<string, Answer>> {
  const paths = new Map<string, Map<string, Answer>>();
  for (const { method, path, open, takesTokenInQuery } of routes) {
    const handle: Handler = open({
      limits: services.limits,
      prepare: (document) => prepareDocument(graphql, services, document),
      prepareStream: (document) => prepareStream(graphql, services, startStream, document),
    });
    const identify = takesTokenInQuery ? identifyAlsoByQuery : identifyByHeaders;
    const answers = paths.get(BASE_PATH + path) ?? new Map<string, Answer>();
    answers.set(method, async (request) => {
      const viewer = await identify(request, authenticate);
      if (viewer.kind === 'anonymous') throw new AppError('UNAUTHENTICATED', 'There is no credential');
      return handle(request, viewer);
    });
    paths.set(BASE_PATH + path, answers);
  }
  return paths;
}

/**
 * Who is asking, anonymous if nobody. Open Wearables' SDK tokens are for uploading: here they count as no token at all,
 * so that an API key beside one is looked at.
 */
async function identifyByHeaders({ raw: { headers } }: HonoRequest, authenticate: Authenticate): Promise<Viewer> {
  const credentials = credentialsFromHeaders((name) => headers.get(name));
  const viewer = await authenticate(credentials);
  return viewer.kind === 'user' && viewer.via === 'sdk' ? authenticate({ apiKey: credentials.apiKey }) : viewer;
}

/**
 * The same, or by a user token in the query where no header says who: a browser's EventSource sends none. No other
 * credential may stand there, as URLs end up in histories and in the logs of proxies.
 */
async function identifyAlsoByQuery(request: HonoRequest, authenticate: Authenticate): Promise<Viewer> {
  const viewer = await identifyByHeaders(request, authenticate);
  const token = request.queries(TOKEN_PARAMETER)?.at(-1);
  if (viewer.kind !== 'anonymous' || !token) return viewer;
  const owner = await authenticate({ authorization: `Bearer ${token}` });
  return owner.kind === 'user' && owner.via === 'sync:self' ? owner : viewer;
}

/** The location is relative, so that it holds behind a proxy and whatever `Host` says. */
function withoutTrailingSlash({ url }: HonoRequest): Response {
  const { pathname, search } = new URL(url);
  return new Response(null, {
    status: 307,
    headers: { location: pathname.slice(0, -1) + search, 'content-length': '0' },
  });
}
