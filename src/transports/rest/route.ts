import type { HonoRequest } from 'hono';
import type { Viewer } from '../../auth/viewer.ts';
import type { Limits } from '../../limits.ts';
import type { RunDocument } from './stored-document.ts';

/** Answers a request of an authenticated viewer. What it throws becomes an answer by `failures.ts`. */
export type Handler = (request: HonoRequest, viewer: Viewer) => Promise<Response>;

/** What a route is opened with. */
interface RouteTools {
  readonly limits: Limits;
  /** Makes a GraphQL document ready to run. @throws GraphQLError if it does not fit the schema */
  readonly prepare: <Data>(document: string) => RunDocument<Data>;
}

/** One way to call the server: a stored GraphQL document, and how HTTP goes in and out of it. */
export interface Route {
  readonly method: 'GET' | 'POST';
  /** Below `/api/v1`, in Hono's notation. */
  readonly path: string;
  /** Called once for each server. */
  readonly open: (tools: RouteTools) => Handler;
}
