import { getRequestListener, RequestError } from '@hono/node-server';
import { Hono, type HonoRequest } from 'hono';
import type { Database } from '../../db/database.ts';
import type { Gate } from '../../gate/gate.ts';
import type { FormatError } from '../../operations/format-error.ts';
import type { Operations } from '../../operations/operations.ts';
import type { Services } from '../../services.ts';
import type { OpenWebhook } from '../../sources/open-sources.ts';
import { addHealth } from '../ops/health.ts';
import { addMetrics } from '../ops/metrics.ts';
import { cors } from './cors.ts';
import { addDocs } from './docs.ts';
import { answerFailure } from './failures.ts';
import { describeApi } from './openapi.ts';
import { detail } from './rest-answer.ts';
import type { Handler } from './route.ts';
import { BASE_PATH, routes, TOKEN_PARAMETER } from './routes.ts';
import { prepareDocument, prepareStream } from './stored-document.ts';
import { addWebhooks } from './webhook-routes.ts';

export interface RestOptions {
  readonly operations: Operations;
  readonly services: Services;
  /** Asked by `/readyz` whether it answers, and nothing else. */
  readonly database: Database;
  readonly gate: Gate;
  readonly formatError: FormatError;
  /** Of all installed sources. */
  readonly webhooks: readonly OpenWebhook[];
  /** Aborts when the server begins to shut down. */
  readonly shutdown: AbortSignal;
}

/**
 * The REST door: what Open Wearables' clients call, and recording for producers that do not speak GraphQL. Each route
 * is a stored GraphQL document under other names; who may do what, and every bound, is decided behind it.
 */
export function createRestListener(options: RestOptions) {
  const { operations, services, gate, formatError, webhooks, shutdown } = options;
  const fail = (error: unknown) => answerFailure(formatError, error);
  const app = new Hono();
  app.onError(fail);
  app.notFound(() => detail(404, 'Not Found'));
  app.use(`${BASE_PATH}/*`, cors(gate.origins));
  for (const [path, handlers] of openRoutes(options)) {
    app.all(path, async ({ req }) => {
      const handle = handlers.get(req.method);
      return handle ? handle(req) : detail(405, 'Method Not Allowed', { allow: [...handlers.keys()].join(', ') });
    });
    app.all(`${path}/`, ({ req }) => withoutTrailingSlash(req));
  }
  const descriptions = webhooks.map(({ description }) => description);
  addDocs(app, describeApi(services.limits, operations.schema, descriptions));
  addWebhooks(app, webhooks, services.limits);
  addMetrics(app, { services, openStreams: () => gate.streams.count });
  // Formatting an error reports it, too; nobody is answered with the words.
  const onError = (error: unknown) => void formatError(error);
  addHealth(app, { database: options.database, shutdown, onError });

  return getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    hostname: 'localhost', // stands in for a missing `Host`, which HTTP/1.0 allows
    errorHandler: (error) => (error instanceof RequestError ? detail(400, 'Bad Request') : fail(error)),
  });
}

type Answer = (request: HonoRequest) => Promise<Response>;

/** What answers at each path, by method. */
function openRoutes({
  operations,
  services,
  gate: { admission, streams },
}: RestOptions): Map<string, Map<string, Answer>> {
  const paths = new Map<string, Map<string, Answer>>();
  const tools = { operations, services, streams };
  for (const { method, path, open, takesTokenInQuery } of routes) {
    const handle: Handler = open({
      limits: services.limits,
      prepare: (document) => prepareDocument(tools, document),
      prepareStream: (document) => prepareStream(tools, document),
    });
    const answers = paths.get(BASE_PATH + path) ?? new Map<string, Answer>();
    answers.set(method, async (request) => {
      const viewer = await admission.admitToRest({
        header: (name) => request.raw.headers.get(name),
        tokenInUrl: takesTokenInQuery && request.queries(TOKEN_PARAMETER)?.at(-1),
      });
      return handle(request, viewer);
    });
    paths.set(BASE_PATH + path, answers);
  }
  return paths;
}

/** The location is relative, so that it holds behind a proxy and whatever `Host` says. */
function withoutTrailingSlash({ url }: HonoRequest): Response {
  const { pathname, search } = new URL(url);
  return new Response(null, {
    status: 307,
    headers: { location: pathname.slice(0, -1) + search, 'content-length': '0' },
  });
}
