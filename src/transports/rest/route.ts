import type { GraphQLError, GraphQLSchema } from 'graphql';
import type { HonoRequest } from 'hono';
import type { ProducerText } from '../../auth/producer-texts.ts';
import type { ErrorCode } from '../../errors.ts';
import type { StreamLife } from '../../graphql/context.ts';
import type { Limits } from '../../limits.ts';
import type { JsonSchema } from './json-schema.ts';
import { type Parameters, readParameters, type ValuesOf } from './parameters.ts';
import type { FollowDocument, RunDocument } from './stored-document.ts';
import type { Visit } from './visit.ts';

/**
 * Tells of an error after the answer has begun: the request counts and is logged as one that failed.
 * @returns what the client may see of it
 */
export type Fails = (error: unknown) => GraphQLError;

/** Answers a request of an authenticated viewer. What it throws becomes an answer by `failures.ts`. */
export type Handler = (request: HonoRequest, visit: Visit, fails: Fails) => Promise<Response>;

/** What a route is opened with. */
export interface RouteTools {
  readonly limits: Limits;
  /** Makes a query or mutation ready to run. @throws GraphQLError if it does not fit the schema */
  readonly prepare: <Data>(document: string) => RunDocument<Data>;
  /** Makes a subscription ready to run. @throws GraphQLError if it does not fit the schema */
  readonly prepareStream: (document: string) => FollowDocument;
  /** What documents are about. */
  readonly schema: GraphQLSchema;
  /** What somebody is not shown of what producers write. */
  readonly hiddenFrom: (visit: Visit) => readonly ProducerText[];
  /** Begins the life of an export, which takes as long as its client does. @param left aborts when the client leaves */
  readonly openExport: (visit: Visit, left: AbortSignal) => StreamLife;
  /** Writes into the audit log that a user is exported, unless it is for the user. @throws what the database does */
  readonly noteExport: (visit: Visit, userId: string) => Promise<void>;
}

/** One way to call the server, and what is written about it in the API description. */
export interface Description<P extends Parameters> {
  readonly method: 'GET' | 'POST';
  /** Below `/api/v1`, in Hono's notation. */
  readonly path: string;
  /** Names the operation for generated clients. */
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  /** In the order in which they are read: of several bad ones, the first is reported. */
  readonly parameters: (limits: Limits) => P;
  readonly body?: { readonly description: string; readonly schema: JsonSchema };
  readonly answer: {
    readonly status: 200 | 201;
    readonly description: string;
    readonly type: 'application/json' | 'text/event-stream' | 'application/x-ndjson';
    readonly schema: JsonSchema;
    /** Each header with its description. */
    readonly headers?: Readonly<Record<string, string>>;
  };
  /** What it may fail with besides what every route may. */
  readonly errors?: readonly ErrorCode[];
  /** Set where a user token may also come as the query's `access_token`, for clients that cannot set headers. */
  readonly takesTokenInQuery?: true;
  /** Set where the credential is a signature over a body of any content type: the scheme that says how it is made. */
  readonly signedBy?: string;
}

/** A stored GraphQL document, and how HTTP goes in and out of it. */
export interface Route extends Description<Parameters> {
  /** Called once for each server. */
  readonly open: (tools: RouteTools) => Handler;
}

interface Definition<P extends Parameters> extends Description<P> {
  readonly open: (
    tools: RouteTools,
  ) => (values: ValuesOf<P>, visit: Visit, request: HonoRequest, fails: Fails) => Promise<Response>;
}

/** A route whose handler gets its parameters read. */
export function defineRoute<P extends Parameters>({ open, ...description }: Definition<P>): Route {
  return {
    ...description,
    open(tools) {
      const parameters = description.parameters(tools.limits);
      const handle = open(tools);
      return async (request, visit, fails) => handle(readParameters(request, parameters), visit, request, fails);
    },
  };
}
