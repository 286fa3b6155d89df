import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GraphQLError } from 'graphql';
import type { Logger } from 'pino';
import { type ErrorCode, errorCodes } from '../errors.ts';
import type { Door } from '../gate/rate-limits.ts';
import { continueTrace, type TraceContext } from '../lib/trace-context.ts';
import type { Operation } from '../operations/operation.ts';
import { type Ending, RequestCounts } from './request-counts.ts';
import type { RequestSpan, RequestSpans } from './request-spans.ts';
import { pathOf } from './request-target.ts';
import { shownPath } from './shown-path.ts';

/** An id of a request, and nothing that looks like a key or a token. */
const saneId = /^(?!.*(?:sk-|whsec_|eyJ))[\w.:+/=@-]{1,128}$/;

/** What is counted of a request that asks for nothing that there is. */
const NOTHING = 'none';

/** One request, or one operation on a socket, until it has ended. */
export class RequestEntry {
  readonly #log: Logger;
  readonly #counts: RequestCounts;
  readonly #begun = performance.now();
  door: Door;
  /** What was asked for, as counts name it: never in words of the client. */
  operation = NOTHING;
  /** The same for people: the kind and the name of an operation, or the method and the path. */
  label: string | undefined;
  /** Codes of the errors that were answered. */
  codes: readonly unknown[] = [];
  /** What its client calls it, if the client does. */
  id: string | undefined;
  trace: TraceContext | undefined;
  /** Where traces are collected. */
  span: RequestSpan | undefined;
  #errorIds: readonly unknown[] = [];
  /** Does it last as long as its reader stays? */
  isStream = false;

  constructor(log: Logger, counts: RequestCounts, door: Door) {
    this.#log = log;
    this.#counts = counts;
    this.door = door;
  }

  /** It is an operation over GraphQL. */
  runs({ countedName, label, kind }: Operation): void {
    this.operation = countedName;
    this.label = label;
    this.isStream = kind === 'subscription';
  }

  /** These errors are answered. */
  fails(errors: readonly GraphQLError[]): void {
    this.codes = errors.map(({ extensions }) => extensions.code);
    this.#errorIds = errors.flatMap(({ extensions }) => extensions.id ?? []);
  }

  /**
   * Counts it, and writes its line. Called once.
   * @param outcome for people
   * @param ending for counts, unless an error was answered
   */
  end(outcome: string, ending: Ending): void {
    const ms = performance.now() - this.#begun;
    const codes = this.codes as readonly Ending[]; // errors that are answered have a code of the table
    const code = codes.find((each) => each === 'INTERNAL_SERVER_ERROR') ?? codes[0] ?? ending; // our mistake is hidden by none of theirs
    this.#counts.add(this.door, this.operation, code, this.isStream ? undefined : ms / 1_000);
    this.span?.end(this.label ?? this.door, this.door, code === 'OK' ? undefined : code);
    const level = code === 'INTERNAL_SERVER_ERROR' ? 'warn' : 'debug';
    if (!this.#log.isLevelEnabled(level)) return;
    const errors = this.codes.length > 0 ? ` ${[...new Set(this.codes)].join(' ')}` : '';
    const { id = randomUUID(), door, label: operation, trace } = this;
    const line = { id, door, operation, ms: Math.round(ms * 10) / 10, outcome: outcome + errors };
    const ofTrace = trace && { traceId: trace.traceId, spanId: trace.spanId };
    this.#log[level](
      { ...line, ...ofTrace, ...(this.#errorIds.length > 0 && { errorIds: this.#errorIds }) },
      'request',
    );
  }
}

/** Stands on a request: what a `WeakMap` holds outlives the small collections of garbage. */
const entry = Symbol('the entry of a request');

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown;

type Watched = IncomingMessage & { [entry]?: RequestEntry };

/**
 * Counts each request when its answer or its stream has ended, and writes a line for it at the level `debug`, and at `warn` where
 * the server is to blame; the lines of its errors have the ids that stand in it. Of what a client has sent, the line holds the name
 * of the operation or the path, and what request and trace are called: everything else may be secret. A client that names either gets
 * it back.
 */
export class RequestLog {
  readonly counts = new RequestCounts();
  readonly #log: Logger;
  readonly #spans: RequestSpans | undefined;

  /** @param spans undefined where nobody collects traces */
  constructor(log: Logger, spans?: RequestSpans) {
    this.#log = log;
    this.#spans = spans;
  }

  /** Does anybody read the lines? */
  get isRead(): boolean {
    return this.#log.isLevelEnabled('debug');
  }

  /** @param traceparent the header of the request, if it has one */
  begin(door: Door, traceparent?: string): RequestEntry {
    const begun = new RequestEntry(this.#log, this.counts, door);
    begun.span = this.#spans?.begin(traceparent);
    begun.trace = begun.span?.place ?? (traceparent === undefined ? undefined : continueTrace(traceparent));
    return begun;
  }

  /** Begins the entry of a request, which ends with its response. */
  watch(door: Door, request: Watched, response: ServerResponse): void {
    const { traceparent, 'x-request-id': id } = request.headers;
    const begun = this.begin(door, traceparent === undefined ? undefined : String(traceparent));
    request[entry] = begun;
    if (traceparent !== undefined && begun.trace) response.setHeader('traceparent', begun.trace.traceparent);
    if (id !== undefined) {
      begun.id = saneId.test(String(id)) ? String(id) : randomUUID();
      response.setHeader('x-request-id', begun.id);
    }
    response.on('close', endOfResponse);
  }

  /** Lets a listener answer a request that is watched, within its span where there is one. */
  answer(listener: Listener, request: IncomingMessage, response: ServerResponse): void {
    const { span } = this.of(request) ?? {};
    if (span) span.within(() => void listener(request, response));
    else void listener(request, response);
  }

  /** The entry of a request that is watched. */
  of(request: Watched | undefined): RequestEntry | undefined {
    return request?.[entry];
  }
}

/** One for all responses, as there is one for each request. */
function endOfResponse(this: ServerResponse): void {
  const { req: request, statusCode, writableFinished: isWhole } = this;
  const ended = (request as Watched)[entry];
  if (!ended) return;
  ended.label ??= `${request.method} ${shownPath(pathOf(request))}`;
  const isOk = statusCode < 400 && (isWhole || ended.isStream);
  ended.end(`${statusCode}${isWhole ? '' : ' cut'}`, isOk ? 'OK' : endingOf(statusCode));
}

/** What a request ends with whose answer says no more than a status. */
function endingOf(status: number): Ending {
  if (status < 400) return 'CUT';
  return codeByStatus.get(status) ?? (status < 500 ? 'BAD_USER_INPUT' : 'INTERNAL_SERVER_ERROR');
}

const codeByStatus: ReadonlyMap<number, ErrorCode> = new Map(
  Object.entries(errorCodes)
    .map(([code, { httpStatus }]) => [httpStatus, code as ErrorCode] as const) // the keys of a closed table
    .reverse(), // of several with one status, the first counts
);
