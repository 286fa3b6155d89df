import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ExecutionResult } from 'graphql';
import type { Viewer } from '../auth/viewer.ts';
import { AppError, headersOf, saysWhen } from '../errors.ts';
import type { Admitted } from '../gate/admit.ts';
import type { Gate } from '../gate/gate.ts';
import { BodyError, BodyPieces, bodyBytesOf, refuseHeaders, textOf } from '../gate/read-body.ts';
import { createQueryContext } from '../graphql/context.ts';
import { isObject } from '../lib/json.ts';
import { first } from '../lib/pace.ts';
import { parseJson } from '../lib/parse-json.ts';
import type { KeptAnswers } from '../operations/kept-answers.ts';
import type { Operation } from '../operations/operation.ts';
import type { Operations } from '../operations/operations.ts';
import type { Services } from '../services.ts';
import { AnswerHeads } from './answer-heads.ts';
import { entityTagOf, notStored } from './entity-tag.ts';
import { headerOf } from './node-headers.ts';
import { sendBodyError, sendError } from './request-guard.ts';
import type { RequestLog } from './request-log.ts';
import { sendKept } from './send-kept.ts';

interface PlainRequestsOptions {
  readonly operations: Operations;
  readonly services: Services;
  readonly gate: Gate;
  /** Undefined: every answer is made anew. */
  readonly kept: KeptAnswers | undefined;
  readonly requestLog: RequestLog;
}

/** What is known of a request that Yoga is to answer after all. */
export interface Begun {
  /** The body of a POST, which can be read only once. */
  readonly body: Buffer | undefined;
  /** Resolves to who is asking, or fails as admission did. */
  readonly admitted: Promise<Admitted>;
  /** What the operation comes to, if it runs: it must not run again. */
  readonly result?: Promise<ExecutionResult>;
}

/** A longer request is not looked for among the answers that are kept. */
const LONGEST_KEPT_REQUEST = 16_384;
const parameters: ReadonlySet<string> = new Set(['query', 'variables', 'operationName', 'extensions']);

/**
 * Queries and mutations as nearly every client sends them, with an answer of data alone. They are answered
 * here without Yoga, whose own work is several times theirs. Whatever is not as plain is left to Yoga, errors included, so
 * that GraphQL over HTTP is written down in one place; Yoga also says which headers an answer has.
 */
export class PlainRequests {
  readonly #options: PlainRequestsOptions;
  readonly #heads = new AnswerHeads();

  constructor(options: PlainRequestsOptions) {
    this.#options = options;
  }

  /**
   * Answers, or returns what is known of a request that is left to Yoga. Never rejects. Nothing is done for a client that
   * has left: Yoga would begin a stream for it, and nothing would tell Yoga to end it.
   */
  async answer(
    request: IncomingMessage,
    response: ServerResponse,
    known: Promise<Admitted> | undefined,
  ): Promise<Begun | undefined> {
    if (known && (await this.#refuseLong(request, response, known))) return undefined;
    const begun = await this.#begin(request, response, known);
    return response.closed ? undefined : begun;
  }

  /** Who is asking. Whoever awaits it hears of a refusal. */
  admit(request: IncomingMessage): Promise<Admitted> {
    const { admission, addresses } = this.#options.gate;
    const header = (name: string) => headerOf(request, name);
    const admitted = admission.admit({ door: 'graphql', address: addresses.of(request), header });
    admitted.catch(() => {});
    return admitted;
  }

  /** Answers who was not let in, and who may not send such a long body, before any of it is read. */
  async #refuseLong(request: IncomingMessage, response: ServerResponse, known: Promise<Admitted>): Promise<boolean> {
    const refusal = await known.then(
      ({ viewer }) => refuseHeaders(request.headers, bodyBytesOf(viewer, this.#options.services.limits)),
      (error: unknown) => error,
    );
    if (refusal instanceof BodyError) sendBodyError(response, refusal);
    else if (refusal instanceof AppError) sendError(response, refusal.httpStatus, refusal);
    return response.writableEnded;
  }

  async #begin(
    request: IncomingMessage,
    response: ServerResponse,
    known: Promise<Admitted> | undefined,
  ): Promise<Begun | undefined> {
    const body = request.method === 'POST' ? await readBody(request) : undefined;
    if (body && !request.complete) return undefined;
    const admitted = known ?? this.admit(request);
    try {
      const entered = await first(admitted);
      const text = body ? this.#textOf(body, response) : request.url;
      if (text === undefined) return undefined;
      return await this.#answer({ request, response, body, text, ...entered });
    } catch (error) {
      if (this.#refuse(request, response, error)) return undefined;
      return { body, admitted };
    }
  }

  /** Answers who asks for too much, so that it costs little however often it happens. */
  #refuse(request: IncomingMessage, response: ServerResponse, error: unknown): boolean {
    const head = this.#heads.of(request);
    if (!head || !(error instanceof AppError) || !saysWhen(error)) return false;
    const entry = this.#options.requestLog.of(request);
    if (entry) entry.codes = [error.code];
    response.writeHead(error.httpStatus, { ...head.headers, ...headersOf(error) });
    response.end(JSON.stringify({ errors: [error] }));
    return true;
  }

  /** Undefined for a body that is none, and has been answered. */
  #textOf(body: Buffer, response: ServerResponse): string | undefined {
    try {
      return textOf(body, this.#options.services.limits.requestBytes);
    } catch (error) {
      if (error instanceof BodyError) sendBodyError(response, error);
      return undefined;
    }
  }

  async #answer({ request, response, body, text, viewer, address, spending }: Asked): Promise<Begun | undefined> {
    const { services, kept, requestLog } = this.#options;
    const head = this.#heads.of(request);
    // A body may be any text, such as the URL of a GET.
    const key = head && text.length <= LONGEST_KEPT_REQUEST ? `${head.key}\n${request.method}\n${text}` : undefined;
    const known = key && (await kept?.find(viewer, key));
    const entry = requestLog.of(request);
    if (entry && known) entry.operation = known.operation;
    if (known && !requestLog.isRead) return void sendKept(request, response, known);

    const era = kept?.era ?? 0;
    const begun = { body, admitted: Promise.resolve({ viewer, address, spending }) };
    const plain = this.#plainOf(body ? parseJson(text) : readQuery(text));
    if (plain && !known && (await this.#hasLeft(plain, viewer, response))) return undefined;
    const operation = plain && this.#operationOf(plain, viewer);
    if (operation) entry?.runs(operation);
    if (known) return void sendKept(request, response, known);
    if (!operation || (!body && operation.kind !== 'query')) return begun;
    const context = createQueryContext(viewer, spending, services);
    const variables = plain.variables ?? {};
    let written = head && (await operation.write(context, variables));
    let running: Promise<ExecutionResult> | undefined;
    if (written === undefined) {
      running = operation.run(context, variables);
      const result = await running.catch(() => undefined);
      if (!result || !isDataAlone(result)) return { ...begun, result: running };
      written = JSON.stringify(result);
    }
    const bytes = Buffer.from(written);
    const tag = body ? {} : { etag: entityTagOf(bytes), 'cache-control': notStored };
    if (!head) {
      for (const [name, value] of Object.entries(tag)) response.setHeader(name, value);
      this.#heads.learn(request, response);
      return { ...begun, ...(running && { result: running }) };
    }
    const answer = { headers: { ...head.headers, ...tag }, body: bytes, operation: operation.countedName };
    sendKept(request, response, answer);
    const basis = operation.kind === 'query' ? context.basis : undefined;
    if (key && basis) kept?.keep(viewer, key, answer, basis, era);
    return undefined;
  }

  /** The parameters of GraphQL over HTTP, with the document that they name. */
  #plainOf(given: unknown): PlainRequest | undefined {
    return isObject(given) ? readParameters(this.#options.operations.trusted.resolve(given)) : undefined;
  }

  /** Waits for a turn where the document needs one. Has the client left meanwhile? */
  async #hasLeft({ query }: PlainRequest, viewer: Viewer, response: ServerResponse): Promise<boolean> {
    const { operations } = this.#options;
    operations.trusted.check(query, viewer);
    if (!operations.isLong(query)) return false;
    await operations.turn();
    return response.closed;
  }

  /** The query or mutation that a request asks for, if there is nothing wrong with it. */
  #operationOf({ query, operationName }: PlainRequest, viewer: Viewer): Operation | undefined {
    this.#options.operations.trusted.check(query, viewer);
    const document = this.#options.operations.prepare(query);
    const operation = document.mistakes.length === 0 ? document.operation(operationName) : undefined;
    return operation?.kind === 'subscription' ? undefined : operation;
  }
}

interface Asked extends Admitted {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Undefined for GET. */
  readonly body: Buffer | undefined;
  /** The text of the body, or the URL of a GET. */
  readonly text: string;
}

interface PlainRequest {
  readonly query: string;
  readonly operationName?: string | null;
  readonly variables?: Readonly<Record<string, unknown>> | null;
}

/** The parameters in a URL, each once. */
function readQuery(url: string): unknown {
  const given = [...new URLSearchParams(url.slice(url.indexOf('?') + 1))];
  const values = given.map(([name, value]) => [name, asJson.has(name) ? parseJson(value) : value] as const);
  const unique = Object.fromEntries(values);
  return Object.keys(unique).length === values.length ? unique : undefined;
}

const asJson: ReadonlySet<string> = new Set(['variables', 'extensions']);

/** Each of its type, and nothing else. */
function readParameters(given: Readonly<Record<string, unknown>>): PlainRequest | undefined {
  if (!Object.keys(given).every((name) => parameters.has(name))) return undefined;
  const { query, operationName = null, variables = null, extensions = null } = given;
  if (typeof query !== 'string' || query === '') return undefined;
  if (operationName !== null && typeof operationName !== 'string') return undefined;
  if (variables !== null && !isObject(variables)) return undefined;
  if (extensions !== null && !isObject(extensions)) return undefined;
  return { query, operationName, variables };
}

function isDataAlone(result: ExecutionResult): boolean {
  return result.data != null && result.errors === undefined;
}

/** Resolves to what came in. It is less than was announced when the client has left, and the request is not complete. */
function readBody(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve) => {
    const pieces = new BodyPieces();
    request.on('data', (piece: Buffer) => pieces.add(piece));
    const end = () => resolve(pieces.all());
    request.once('end', end);
    request.once('close', end);
  });
}
