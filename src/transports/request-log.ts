import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GraphQLError } from 'graphql';
import type { Logger } from 'pino';
import { pathOf } from './request-target.ts';

/** One request, or one operation on a socket, until it has ended. */
export class RequestEntry {
  readonly #log: Logger;
  readonly #door: string;
  readonly #begun = performance.now();
  /** What was asked for: the kind and the name of an operation, or the method and the path. */
  operation: string | undefined;
  /** Codes of the errors that were answered. */
  codes: readonly unknown[] = [];

  constructor(log: Logger, door: string) {
    this.#log = log;
    this.#door = door;
  }

  /** Writes the line. Called once. */
  end(outcome: string): void {
    const ms = Math.round((performance.now() - this.#begun) * 10) / 10;
    const errors = this.codes.length > 0 ? ` ${[...new Set(this.codes)].join(' ')}` : '';
    const line = { id: randomUUID(), door: this.#door, operation: this.operation, ms, outcome: outcome + errors };
    this.#log.debug(line, 'request');
  }
}

/**
 * A line for each request at the level `debug`, written when its answer or its stream has ended. Of what a client has
 * sent, it holds the name of the operation or the path alone: everything else may be secret.
 */
export class RequestLog {
  readonly #log: Logger;
  readonly #entries = new WeakMap<IncomingMessage, RequestEntry>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Begins a line; nothing where nobody would read it. */
  begin(door: string): RequestEntry | undefined {
    return this.#log.isLevelEnabled('debug') ? new RequestEntry(this.#log, door) : undefined;
  }

  /** Begins the line of a request, which ends with its response. */
  watch(door: string, request: IncomingMessage, response: ServerResponse): void {
    const entry = this.begin(door);
    if (!entry) return;
    entry.operation = `${request.method} ${shownPath(request)}`;
    this.#entries.set(request, entry);
    response.once('close', () => entry.end(`${response.statusCode}${response.writableFinished ? '' : ' cut'}`));
  }

  /** The line of a request that is watched. */
  of(request: IncomingMessage | undefined): RequestEntry | undefined {
    return request && this.#entries.get(request);
  }
}

/** A key or a token that got into the path stays out of the log. */
function shownPath(request: IncomingMessage): string {
  return pathOf(request)
    .slice(0, 200)
    .replaceAll(/(sk-|eyJ)[^/]*/g, '$1…');
}

/** What a line says of errors. */
export function codesOf(errors: readonly GraphQLError[] = []): unknown[] {
  return errors.map(({ extensions }) => extensions.code);
}
