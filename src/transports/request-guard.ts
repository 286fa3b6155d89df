import type { IncomingMessage, ServerResponse } from 'node:http';
import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { AppError, type ErrorCode, headersOf } from '../errors.ts';
import type { Admitted } from '../gate/admit.ts';
import { BodyError, bodyBytesOf, readBytes, refuseHeaders, textOf } from '../gate/read-body.ts';
import { parseJson } from '../lib/parse-json.ts';
import type { Limits } from '../limits.ts';
import { idNames, type TrustedDocuments } from '../operations/trusted-documents.ts';

/** Who is asking, if that had to be known before. */
interface Begun {
  readonly begun?: { readonly admitted: Promise<Admitted> };
}

/**
 * What Yoga's own reading of requests does not look after: bodies that come without a length or are no UTF-8, broken JSON
 * in a URL, and values that would be changed. What the headers say of bodies was looked at before they were let in. (Yoga's own limit would pass every
 * body through a stream, which halves its throughput.)
 */
export function useRequestGuard(limits: Limits, trusted: TrustedDocuments): Plugin<object, Begun> {
  return {
    onRequestParse({ request, requestParser: parse, setRequestParser, serverContext, fetchAPI: { Request } }) {
      if (!parse) return;
      const { url, method, headers, signal, body } = request;
      if (method === 'GET')
        setRequestParser(async () => {
          const params = await parsed(() => parse(request));
          return withDocument({ ...namesIn(url), ...params }, trusted);
        });
      else if (body)
        setRequestParser(async () => {
          try {
            const most = await mostBytes(serverContext.begun?.admitted, limits);
            const whole = textOf(await readBytes(request, most), most);
            const params = await parse(withExactJson(new Request(url, { method, headers, signal, body: whole })));
            return withDocument(params, trusted);
          } catch (error) {
            if (!(error instanceof BodyError)) throw error;
            throw refusal(codeOf(error), error.status, error.message);
          }
        });
    },
  };
}

/** How long a body may be of somebody who may not have been let in. */
async function mostBytes(admitted: Promise<Admitted> | undefined, limits: Limits): Promise<number> {
  const { viewer } = (await admitted?.catch(() => undefined)) ?? { viewer: { kind: 'anonymous' as const } };
  return bodyBytesOf(viewer, limits);
}

/** Has a request a body that is too long for who may only ask, or of which nobody knows the length? */
export function mayBeLong({ method, headers }: IncomingMessage, { queryBytes }: Limits): boolean {
  return method === 'POST' && Number(headers['content-length'] ?? Number.POSITIVE_INFINITY) > queryBytes;
}

/** The parameters in a URL. @throws GraphQLError for what is no JSON */
async function parsed<T>(parse: () => T): Promise<Awaited<T>> {
  try {
    return await parse();
  } catch {
    throw refusal('BAD_USER_INPUT', 400, 'variables and extensions must be JSON');
  }
}

/** What was sent, with the document that it names: Yoga would only miss the document. */
function withDocument<T extends object>(params: T, trusted: TrustedDocuments): T {
  try {
    return trusted.resolve(params);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new GraphQLError(error.message, { extensions: { ...error.extensions, http: { spec: true, status: 400 } } });
  }
}

/** What names a document in a URL, of which Yoga takes nothing but what GraphQL over HTTP has had from its begin. */
function namesIn(url: string): Readonly<Record<string, string>> {
  const { searchParams } = new URL(url);
  return Object.fromEntries(
    idNames.flatMap((name) => (searchParams.has(name) ? [[name, searchParams.get(name) ?? '']] : [])),
  );
}

/** The same request, whose JSON is read as on every other door. */
function withExactJson(request: Request): Request {
  return Object.assign(request, { json: async () => parseJson(await request.text()) });
}

/** A body that GraphQL must not even begin to read. One without a length is counted while it is read. */
export function refuseBody({ method, headers }: IncomingMessage, { requestBytes }: Limits): BodyError | undefined {
  return method === 'POST' ? refuseHeaders(headers, requestBytes) : undefined;
}

/** Answers a request of which the body was not taken. What is left of it is not read: its connection cannot be used again. */
export function sendBodyError(response: ServerResponse, error: BodyError): void {
  sendError(response, error.status, new AppError(codeOf(error), error.message));
}

/** The same for a request that is refused as a whole. */
export function sendError(response: ServerResponse, status: number, error: GraphQLError): void {
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    ...headersOf(error),
    connection: 'close',
  });
  response.end(JSON.stringify({ errors: [error] }));
}

function codeOf({ status }: BodyError): ErrorCode {
  return status === 413 ? 'LIMIT_EXCEEDED' : 'BAD_USER_INPUT';
}

/** A request that fails as a whole. What is left of its body is not read, so its connection cannot be used again. */
function refusal(code: ErrorCode, status: number, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code, http: { status, headers: { connection: 'close' } } } });
}
