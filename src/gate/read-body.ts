import { parseJson } from '../lib/parse-json.ts';

/** The one media type that bodies of requests have, unless a route says otherwise. */
export const JSON_TYPE = 'application/json';

/** Why a body was not taken. Each door says so in its own words. */
export type BodyFault = 'other type' | 'too long' | 'broken off' | 'not JSON';

/** A body that was not taken. */
export class BodyError extends Error {
  readonly fault: BodyFault;
  /** How many bytes it might have had. */
  readonly most: number;

  constructor(fault: BodyFault, most: number) {
    super(`The body of the request: ${fault}`);
    this.name = 'BodyError';
    this.fault = fault;
    this.most = most;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The fault that the headers of a request show before any of its body is read. */
export function faultInHeaders(contentType: string | undefined, contentLength: string | undefined, most: number) {
  if (!isJsonType(contentType)) return 'other type';
  return isTooLong(contentLength, most) ? 'too long' : undefined;
}

/** Reads a body of JSON in UTF-8, `most` bytes of it. @throws BodyError */
export async function readJson(request: Request, most: number): Promise<unknown> {
  if (!isJsonType(request.headers.get('content-type') ?? undefined)) throw new BodyError('other type', most);
  const bytes = await readBytes(request, most);
  try {
    return parseJson(utf8.decode(bytes));
  } catch {
    throw new BodyError('not JSON', most);
  }
}

/**
 * Reads a body of any media type. One that announces its length is refused before it is read. Another one is read on, up
 * to twice the limit, though not kept: a client that is cut off while it sends loses the answer.
 * @param most bytes
 * @throws BodyError `too long` or `broken off`: what goes wrong while a body comes in is the client's doing, who has
 * mostly left.
 */
export async function readBytes(
  request: Pick<Request, 'headers' | 'body'>,
  most: number,
): Promise<Buffer<ArrayBuffer>> {
  if (isTooLong(request.headers.get('content-length') ?? undefined, most)) throw new BodyError('too long', most);
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    const reader = request.body?.getReader(); // not before: Hono's server cuts off who sends a body that was touched
    for (let step = await reader?.read(); step && !step.done && size <= 2 * most; step = await reader?.read()) {
      size += step.value.byteLength;
      if (size <= most) chunks.push(step.value);
      else chunks.length = 0;
    }
  } catch {
    throw new BodyError('broken off', most);
  }
  if (size > most) throw new BodyError('too long', most);
  return Buffer.concat(chunks);
}

/** Media types are written in any case, and parameters may follow. */
function isJsonType(contentType: string | undefined): boolean {
  return contentType?.split(';', 1)[0]?.trim().toLowerCase() === JSON_TYPE;
}

function isTooLong(contentLength: string | undefined, most: number): boolean {
  return Number(contentLength ?? 0) > most;
}
