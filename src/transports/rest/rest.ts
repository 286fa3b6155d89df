import type { IncomingMessage, ServerResponse } from 'node:http';
import { getRequestListener, type HttpBindings, RequestError } from '@hono/node-server';
import { type Context, Hono, type HonoRequest } from 'hono';
import type { Registry } from 'prom-client';
import { hiddenFrom, producerTexts } from '../../auth/producer-texts.ts';
import { AppError, headersOf } from '../../errors.ts';
import type { Presented } from '../../gate/admit.ts';
import { accountOf } from '../../gate/clients.ts';
import type { Gate } from '../../gate/gate.ts';
import { JSON_TYPE } from '../../gate/read-body.ts';
import { administratorOf } from '../../graphql/administrator-of.ts';
import type { FormatError } from '../../operations/format-error.ts';
import type { KeptAnswers } from '../../operations/kept-answers.ts';
import type { Operations } from '../../operations/operations.ts';
import type { Services } from '../../services.ts';
import type { OpenWebhook } from '../../sources/open-sources.ts';
import { addHealth, type HealthOptions } from '../ops/health.ts';
import { addMetrics } from '../ops/metrics.ts';
import { serverMetrics } from '../ops/server-metrics.ts';
import { addWelcome } from '../ops/welcome.ts';
import type { RequestEntry, RequestLog } from '../request-log.ts';
import { pathOf } from '../request-target.ts';
import { cors } from './cors.ts';
import { addDocs } from './docs.ts';
import { answerFailure, isOfHttp } from './failures.ts';
import { KeptLists, type RestEnvironment } from './kept-lists.ts';
import { describeApi } from './openapi.ts';
import { detail } from './rest-answer.ts';
import type { Fails, Handler } from './route.ts';
import { BASE_PATH, routes, TOKEN_PARAMETER } from './routes.ts';
import { prepareDocument, prepareStream } from './stored-document.ts';
import { streamForLater } from './stream.ts';
import { addWebhooks } from './webhook-routes.ts';

export interface RestOptions {
  readonly operations: Operations;
  readonly services: Services;
  /** What `/readyz` asks. */
  readonly health: Pick<HealthOptions, 'database' | 'databaseFigures' | 'availability' | 'outages'>;
  readonly gate: Gate;
  readonly formatError: FormatError;
  readonly requestLog: RequestLog;
  /** Undefined: every answer is made anew. */
  readonly kept: KeptAnswers | undefined;
  /** Filled into the page of `/docs`. */
  readonly docsApiKey: string | undefined;
  /** Does a browser find GraphiQL at the endpoint of GraphQL? */
  readonly showsGraphiql: boolean;
  /** What the process counts; undefined: from the first time that somebody asks. */
  readonly processMetrics: Registry | undefined;
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
  const { operations, services, gate, formatError, webhooks, shutdown, requestLog } = options;
  const lists = new KeptLists(options);
  const fail = (error: unknown, method?: string) => answerFailure(formatError, error, method);
  const app = new Hono();
  const api = new Hono<RestEnvironment>();
  app.onError((error, { env, req }) => {
    const entry = requestLog.of((env as HttpBindings).incoming); // as the listener makes it
    if (!isOfHttp(error)) entry?.fails([formatError(error)]);
    return fail(error, req.method);
  });
  app.notFound(() => detail(404, 'Not Found'));
  api.use(`${BASE_PATH}/*`, lists.middleware, cors(gate.origins));
  for (const [path, handlers] of openRoutes(options, lists)) {
    api.all(path, async (context) => {
      const handle = handlers.get(context.req.method);
      return handle ? handle(context) : detail(405, 'Method Not Allowed', { allow: [...handlers.keys()].join(', ') });
    });
    api.all(`${path}/`, ({ req }) => withoutTrailingSlash(req));
  }
  app.route('/', api);
  const descriptions = webhooks.map(({ description }) => description);
  addWelcome(app, options.showsGraphiql);
  addDocs(app, describeApi(services.limits, operations.schema, descriptions), options.docsApiKey);
  const hooks = new Hono<{ Bindings: HttpBindings }>();
  addWebhooks(hooks, webhooks, services.limits, { gate, requestLog });
  app.route('/', hooks);
  addMetrics(app, {
    processMetrics: options.processMetrics,
    metrics: serverMetrics({ ...options, requests: requestLog.counts }),
    check: (context) => gate.operators.check(presentedBy(context, gate)),
  });
  // Formatting an error reports it, too; nobody is answered with the words.
  const onError = (error: unknown) => void formatError(error);
  const isOperator = (context: Context) => gate.operators.isLetIn(presentedBy(context, gate));
  addHealth(app, { ...options.health, shutdown, isOperator, onError });

  const listener = getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    hostname: 'localhost', // stands in for a missing `Host`, which HTTP/1.0 allows
    errorHandler: (error) => (error instanceof RequestError ? detail(400, 'Bad Request') : fail(error)),
  });
  return async (request: IncomingMessage, response: ServerResponse) => {
    const path = pathOf(request);
    if (!path.startsWith(`${BASE_PATH}/`)) {
      countAsPage(requestLog.of(request), path);
      if (!isHealth(path) && refusePage(request, response, gate)) return;
    }
    if (!(await lists.answer(request, response))) await listener(request, response);
  };
}

/** What somebody presents who asks how the server is. */
function presentedBy({ req, env }: Context, { addresses }: Gate): Presented {
  const { incoming } = env as HttpBindings; // as the listener makes it
  return { door: 'pages', address: addresses.of(incoming), header: (name) => req.raw.headers.get(name) };
}

/** What tells how the server is, is answered whoever asks how often. */
function isHealth(path: string): boolean {
  return /^\/(healthz|readyz)\/?$/.test(path);
}

const pages: ReadonlySet<string> = new Set(['healthz', 'readyz', 'metrics', 'docs', 'openapi.json']);

/** A page is called by the first part of its path. */
function countAsPage(entry: RequestEntry | undefined, path: string): void {
  if (!entry) return;
  const [, name = ''] = path.split('/', 2);
  entry.door = 'pages';
  if (pages.has(name)) entry.operation = name;
  else if (path === '/') entry.operation = 'welcome';
}

/** Answers who asks for too many pages. False for everybody else, who is charged. */
function refusePage(request: IncomingMessage, response: ServerResponse, { rates, addresses }: Gate): boolean {
  try {
    rates.take('anonymous', accountOf({ kind: 'anonymous' }, addresses.of(request)), 1, 'pages');
    return false;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    response.writeHead(error.httpStatus, { 'content-type': JSON_TYPE, ...headersOf(error) });
    response.end(JSON.stringify({ detail: error.message }));
    return true;
  }
}

type Answer = (context: Context<RestEnvironment>) => Promise<Response>;

/** What answers at each path, by method. */
function openRoutes(
  { operations, services, formatError, requestLog, gate: { admission, addresses, streams } }: RestOptions,
  lists: KeptLists,
): Map<string, Map<string, Answer>> {
  const paths = new Map<string, Map<string, Answer>>();
  const tools = { operations, services, streams };
  for (const { method, path, open, operationId, takesTokenInQuery, answer: given } of routes) {
    const isStream = given.type !== 'application/json';
    const handle: Handler = open({
      limits: services.limits,
      prepare: (document) => prepareDocument(tools, document),
      prepareStream: (document) => prepareStream(tools, document),
      schema: operations.schema,
      hiddenFrom({ viewer }) {
        const hidden = hiddenFrom(viewer, services.hiddenFromUsers);
        return producerTexts.filter((text) => hidden[text]);
      },
      openExport: (visit, left) => streams.openExport(visit, left),
      async noteExport({ viewer }, userId) {
        if (viewer.kind === 'user') return;
        const { audit, clock } = services;
        await audit.countOfUser('user_exported', administratorOf(viewer), userId, new Date(clock()));
      },
    });
    const answers = paths.get(BASE_PATH + path) ?? new Map<string, Answer>();
    answers.set(method, async (context) => {
      const { req: request } = context;
      const entry = requestLog.of(context.env.incoming);
      if (entry) Object.assign(entry, { operation: operationId, isStream });
      const presented = {
        door: 'rest' as const,
        address: addresses.of(context.env.incoming),
        header: (name: string) => request.raw.headers.get(name),
        tokenInUrl: takesTokenInQuery && request.queries(TOKEN_PARAMETER)?.at(-1),
      };
      const admit = () => admission.admitToRest(presented);
      const fails: Fails = (error) => {
        const formatted = formatError(error);
        entry?.fails([formatted]);
        return formatted;
      };
      const answering = lists.enter(context, admit, (visit) => handle(request, visit, fails));
      if (!isStream || !isEventSource(request)) return answering;
      return answering.catch((error: unknown) => {
        const formatted = formatError(error);
        if (!['UNAVAILABLE', 'RATE_LIMITED'].includes(String(formatted.extensions.code))) throw formatted;
        return streamForLater(formatted, services.limits);
      });
    });
    paths.set(BASE_PATH + path, answers);
  }
  return paths;
}

/** A browser's `EventSource` accepts nothing else. */
function isEventSource({ raw }: HonoRequest): boolean {
  return raw.headers.get('accept')?.trim().toLowerCase() === 'text/event-stream';
}

/** The location is relative to the request's own, so that it holds whatever `Host` says, and behind a proxy's prefix. */
function withoutTrailingSlash({ url }: HonoRequest): Response {
  const { pathname, search } = new URL(url);
  const [name = ''] = pathname.split('/').slice(-2);
  return new Response(null, { status: 307, headers: { location: `../${name}${search}`, 'content-length': '0' } });
}
