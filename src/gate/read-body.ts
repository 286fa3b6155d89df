import { may } from '../auth/permissions.ts';
import type { Viewer } from '../auth/viewer.ts';
import { parseJson } from '../lib/parse-json.ts';
import { readUtf8 } from '../lib/utf8.ts';
import type { Limits } from '../limits.ts';

/** The one media type that bodies of requests have, unless a route says otherwise. */
export const JSON_TYPE = 'application/json';

/** So many pieces of a body are put together at once. */
const MOST_PIECES = 1_000;

/** Why a body was not taken. Each door says so in its own words. */
type BodyFault = keyof typeof bodyFaults;

/** Each fault with its status, and what is said of it on every door. */
const bodyFaults = {
  'other type': { status: 415, says: () => `The content-type must be ${JSON_TYPE}` },
  'other charset': { status: 415, says: () => 'The charset of the content-type must be utf-8' },
  encoded: { status: 415, says: () => 'The body must come as it is: no content-encoding is taken' },
  'too long': { status: 413, says: (most: number) => `The body may have at most ${most} bytes` },
  'broken off': { status: 400, says: () => 'The body ended too soon' },
  'not UTF-8': { status: 400, says: () => 'The body must be JSON in UTF-8' },
  'not JSON': { status: 400, says: () => 'The body must be JSON in UTF-8' },
} as const;

/** A body that was not taken. Its message is for the client. */
export class BodyError extends Error {
  readonly fault: BodyFault;
  readonly status: 400 | 413 | 415;

  /** @param most how many bytes it might have had */
  constructor(fault: BodyFault, most: number) {
    super(bodyFaults[fault].says(most));
    this.name = 'BodyError';
    this.fault = fault;
    this.status = bodyFaults[fault].status;
  }
}

/** How long a body of this viewer may be. */
export function bodyBytesOf(viewer: Viewer, { requestBytes, queryBytes }: Limits): number {
  return may(viewer, 'write') ? requestBytes : Math.min(queryBytes, requestBytes);
}

/** The pieces of a body. Small ones are put together as they come: each would take more memory than it holds. */
export class BodyPieces {
  #whole: Uint8Array[] = [];
  #newest: Uint8Array[] = [];

  add(piece: Uint8Array): void {
    this.#newest.push(piece);
    if (this.#newest.length < MOST_PIECES) return;
    this.#whole.push(Buffer.concat(this.#newest));
    this.#newest = [];
  }

  clear(): void {
    this.#whole = [];
    this.#newest = [];
  }

  all(): Buffer<ArrayBuffer> {
    return Buffer.concat([...this.#whole, ...this.#newest]);
  }
}

/** What the headers of a request say of its body, by their lower-case names. */
interface BodyHeaders {
  readonly 'content-type'?: string | undefined;
  readonly 'content-length'?: string | undefined;
  readonly 'content-encoding'?: string | undefined;
}

/** Why a body of JSON is not even begun to be read. */
export function refuseHeaders(headers: BodyHeaders, most: number): BodyError | undefined {
  return isJsonType(headers['content-type']) ? refuseForm(headers, most) : new BodyError('other type', most);
}

/** The same for a body of any media type: it comes as it is, and what is text in it is UTF-8. */
function refuseForm(headers: BodyHeaders, most: number): BodyError | undefined {
  const fault = faultOfForm(headers, most);
  return fault && new BodyError(fault, most);
}

function faultOfForm(headers: BodyHeaders, most: number): BodyFault | undefined {
  if (!isInUtf8(headers['content-type'])) return 'other charset';
  if (!isPlain(headers['content-encoding'])) return 'encoded';
  return Number(headers['content-length'] ?? 0) > most ? 'too long' : undefined;
}

/** Reads a body of JSON in UTF-8, `most` bytes of it. @throws BodyError */
export async function readJson(request: Request, most: number): Promise<unknown> {
  const refused = refuseHeaders(headersOf(request), most);
  if (refused) throw refused;
  const text = textOf(await readBytes(request, most), most);
  try {
    return parseJson(text);
  } catch {
    throw new BodyError('not JSON', most);
  }
}

/** The text of a body. @throws BodyError for bytes that are no UTF-8: replaced, they would be stored as something else */
export function textOf(bytes: Uint8Array, most: number): string {
  const text = readUtf8(bytes);
  if (text === undefined) throw new BodyError('not UTF-8', most);
  return text;
}

/**
 * Reads a body of any media type. One that announces its length is refused before it is read. Another one is read on, up
 * to twice the limit, though not kept: a client that is cut off while it sends loses the answer.
 * @param most bytes
 * @throws BodyError `other charset`, `encoded`, `too long` or `broken off`: what goes wrong while a body comes in is the
 * doing of the client, who has mostly left.
 */
export async function readBytes(
  request: Pick<Request, 'headers' | 'body'>,
  most: number,
): Promise<Buffer<ArrayBuffer>> {
  const refused = refuseForm(headersOf(request), most);
  if (refused) throw refused;
  const pieces = new BodyPieces();
  let size = 0;
  try {
    const reader = request.body?.getReader(); // not before: Hono's server cuts off who sends a body that was touched
    for (let step = await reader?.read(); step && !step.done && size <= 2 * most; step = await reader?.read()) {
      size += step.value.byteLength;
      if (size <= most) pieces.add(step.value);
      else pieces.clear();
    }
  } catch {
    throw new BodyError('broken off', most);
  }
  if (size > most) throw new BodyError('too long', most);
  return pieces.all();
}

/** Media types are written in any case, and parameters may follow. */
function isJsonType(contentType: string | undefined): boolean {
  return contentType?.split(';', 1)[0]?.trim().toLowerCase() === JSON_TYPE;
}

/** Each parameter of a media type: its name, and its value with or without quotes. */
const typeParameters = /;\s*([^=;\s]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))/g;

/** Encodings have several names, such as `utf8`. */
function isInUtf8(contentType = ''): boolean {
  const charsets = [...contentType.matchAll(typeParameters)].filter(([, name]) => name?.toLowerCase() === 'charset');
  return charsets.every(([, , quoted, bare]) => isNameOfUtf8(quoted ?? bare ?? ''));
}

function isNameOfUtf8(name: string): boolean {
  try {
    return new TextDecoder(name).encoding === 'utf-8';
  } catch {
    return false;
  }
}

function isPlain(contentEncoding = ''): boolean {
  return contentEncoding.split(',').every((each) => ['', 'identity'].includes(each.trim().toLowerCase()));
}

function headersOf({ headers }: Pick<Request, 'headers'>): BodyHeaders {
  const names = ['content-type', 'content-length', 'content-encoding'] as const;
  return Object.fromEntries(names.map((name) => [name, headers.get(name) ?? undefined]));
}
