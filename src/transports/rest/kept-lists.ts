import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import type { Context, MiddlewareHandler } from 'hono';
import type { Admitted } from '../../gate/admit.ts';
import type { Gate } from '../../gate/gate.ts';
import type { KeptAnswers } from '../../operations/kept-answers.ts';
import { jsonOf } from '../answer.ts';
import { entityTagOf, isKnown, notStored } from '../entity-tag.ts';
import { headerOf } from '../node-headers.ts';
import type { RequestLog } from '../request-log.ts';
import { sendKept } from '../send-kept.ts';
import { isOfHead } from '../server-response.ts';
import { BASE_PATH, TOKEN_PARAMETER } from './routes.ts';
import { Visit } from './visit.ts';

/** What Hono carries along with a request of this door. */
export interface RestEnvironment {
  readonly Bindings: HttpBindings;
  readonly Variables: {
    /** Set by a route that was entered. */
    entered?: Entered;
  };
}

interface Entered {
  readonly visit: Visit;
  /** The era of the kept answers at that time. */
  readonly era: number;
  /** The body of the answer, if it is JSON. */
  readonly text: string | undefined;
}

interface KeptListsOptions {
  /** Undefined: every answer is made anew. */
  readonly kept: KeptAnswers | undefined;
  readonly gate: Gate;
  readonly requestLog: RequestLog;
}

/** Lists that were answered before, with what must not be asked twice of a request. */
export class KeptLists {
  readonly #kept: KeptAnswers | undefined;
  readonly #gate: Gate;
  readonly #requestLog: RequestLog;
  readonly #admissions = new WeakMap<IncomingMessage, Promise<Admitted>>();

  constructor({ kept, gate, requestLog }: KeptListsOptions) {
    this.#kept = kept;
    this.#gate = gate;
    this.#requestLog = requestLog;
  }

  /** Sends an answer that was given before, if there is one that holds. Never rejects. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    if (!this.#kept || request.method !== 'GET' || !request.url?.startsWith(BASE_PATH)) return false;
    if (namesToken(request.url)) return false; // only its route knows whether it takes one there
    const { admission, addresses } = this.#gate;
    const header = (name: string) => headerOf(request, name);
    const admitting = admission.admitToRest({ door: 'rest', address: addresses.of(request), header });
    this.#admissions.set(request, admitting);
    try {
      const { viewer } = await admitting;
      const known = await this.#kept.find(viewer, keyOf(request));
      if (!known) return false;
      const entry = this.#requestLog.of(request);
      if (entry) entry.operation = known.operation;
      sendKept(request, response, known);
      return true;
    } catch {
      return false; // the route will find the same, and say it in its words
    }
  }

  /** Enters a route. @param admit is asked who is there, if that was not found out on the way */
  async enter(
    context: Context<RestEnvironment>,
    admit: () => Promise<Admitted>,
    answer: (visit: Visit) => Promise<Response>,
  ): Promise<Response> {
    const { incoming, outgoing } = context.env;
    const visit = new Visit(await (this.#admissions.get(incoming) ?? admit()), isOfHead(outgoing));
    const era = this.#kept?.era ?? 0;
    const response = await answer(visit);
    context.set('entered', { visit, era, text: jsonOf(response) });
    return response;
  }

  /** Gives every good list an entity tag, and keeps it. It stands around everything that sets headers. */
  readonly middleware: MiddlewareHandler<RestEnvironment> = async (context, next) => {
    await next();
    const { incoming } = context.env;
    const { visit, era, text } = context.get('entered') ?? {};
    if (!visit || era === undefined || text === undefined) return;
    if (incoming.method !== 'GET' || context.res.status !== 200) return;
    const body = Buffer.from(text);
    const etag = entityTagOf(body);
    const headers: Record<string, string> = {
      ...Object.fromEntries(context.res.headers),
      etag,
      'cache-control': notStored,
    };
    const { operation = '' } = this.#requestLog.of(incoming) ?? {};
    if (visit.basis) this.#kept?.keep(visit.viewer, keyOf(incoming), { headers, body, operation }, visit.basis, era);
    const { 'content-type': _, ...ofKnown } = headers;
    context.res = isKnown(incoming, etag)
      ? new Response(null, { status: 304, headers: ofKnown })
      : new Response(text, { status: 200, headers });
  };
}

/** Pages of other origins are answered with other headers. */
function keyOf({ url = '', headers: { origin = '' } }: IncomingMessage): string {
  return `${origin}\n${url}`;
}

/** Does a query hold a token, however its name is encoded? */
function namesToken(url: string): boolean {
  if (url.includes(`${TOKEN_PARAMETER}=`)) return true;
  return url.includes('%') && new URLSearchParams(url.slice(url.indexOf('?') + 1)).has(TOKEN_PARAMETER);
}
