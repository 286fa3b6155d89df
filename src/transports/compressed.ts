import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { entityTagOf } from './entity-tag.ts';

/** Brotli of this quality takes a second or two for nine megabytes, once, and a fifth less room than gzip. */
const QUALITY = 5;
/** From how many bytes on it is worth while. */
const SMALLEST = 1_024;

const brotli = promisify(brotliCompress);
const zip = promisify(gzip);

type Encoding = 'br' | 'gzip' | 'identity';

/** What of a request says in which forms its client takes an answer, and which it has. */
interface Wanted {
  readonly acceptEncoding: string | undefined;
  readonly ifNoneMatch: string | undefined;
}

/** What a request for a text is answered with. The body is shared by all answers: a slow client keeps no copy of its own. */
export interface TextAnswer {
  readonly status: 200 | 304;
  readonly headers: Readonly<Record<string, string>>;
  /** Null for who has it. */
  readonly body: Buffer<ArrayBuffer> | null;
}

/**
 * A text that everybody gets and that changes with the release: a page or a script. Its entity tag is its hash, so that a
 * browser loads it once; each compressed form is made when somebody first asks for it.
 */
export class CompressedText {
  readonly #bytes: Buffer<ArrayBuffer>;
  readonly #tag: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #forms = new Map<Encoding, Promise<Buffer<ArrayBuffer>>>();

  /** @param headers those of every answer, the content type among them */
  constructor(text: string | Buffer, headers: Readonly<Record<string, string>>) {
    this.#bytes = Buffer.from(text);
    this.#tag = entityTagOf(this.#bytes).slice(1, -1);
    this.#headers = headers;
  }

  /**
   * The answer to a request. A browser asks each time whether it has the newest, and mostly gets 304, whose headers take the
   * place of those that it has kept (RFC 9111, 3.2): all that rule the page are among them.
   */
  async answer({ acceptEncoding, ifNoneMatch }: Wanted): Promise<TextAnswer> {
    const encoding = this.#bytes.byteLength < SMALLEST ? 'identity' : preferred(acceptEncoding);
    const etag = encoding === 'identity' ? `"${this.#tag}"` : `"${this.#tag}-${encoding}"`;
    const { 'content-type': type = '', ...rules } = this.#headers;
    const known = { ...rules, etag, vary: 'Accept-Encoding', 'cache-control': 'private, no-cache' };
    if (has(ifNoneMatch, this.#tag)) return { status: 304, headers: known, body: null };
    const body = await this.#in(encoding);
    const headers = {
      ...known,
      'content-type': type,
      'content-length': String(body.byteLength),
      ...(encoding !== 'identity' && { 'content-encoding': encoding }),
    };
    return { status: 200, headers, body };
  }

  #in(encoding: Encoding): Promise<Buffer<ArrayBuffer>> {
    const form = this.#forms.get(encoding) ?? this.#make(encoding);
    this.#forms.set(encoding, form);
    return form;
  }

  async #make(encoding: Encoding): Promise<Buffer<ArrayBuffer>> {
    if (encoding === 'identity') return this.#bytes;
    if (encoding === 'gzip') return zip(this.#bytes);
    return brotli(this.#bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: QUALITY,
        [constants.BROTLI_PARAM_SIZE_HINT]: this.#bytes.byteLength,
      },
    });
  }
}

/** Does the client have a form of it? Which one makes no difference to who reads it. */
function has(ifNoneMatch: string | undefined, tag: string): boolean {
  const known = (ifNoneMatch ?? '').split(',').map((each) => each.trim().replace(/^W\//, ''));
  return known.some((each) => each === '*' || [`"${tag}"`, `"${tag}-br"`, `"${tag}-gzip"`].includes(each));
}

/** The smallest form that a client takes (RFC 9110, 12.5.3). What it rates with 0 it does not take. */
function preferred(acceptEncoding = ''): Encoding {
  const taken = new Set<string>();
  for (const each of acceptEncoding.toLowerCase().split(',')) {
    const [name = '', ...parameters] = each.split(';').map((part) => part.trim());
    const quality = parameters.find((parameter) => parameter.startsWith('q='));
    if (quality === undefined || Number(quality.slice(2)) > 0) taken.add(name);
  }
  if (taken.has('br')) return 'br';
  return taken.has('gzip') || taken.has('x-gzip') ? 'gzip' : 'identity';
}
