import { stripIgnoredCharacters } from 'graphql';
import type { Viewer } from '../auth/viewer.ts';
import { AppError } from '../errors.ts';
import { isObject } from '../lib/json.ts';
import { KnownFailure } from '../lib/known-failure.ts';
import { sha256 } from '../lib/sha256.ts';
import { defaultLimits, type Limits } from '../limits.ts';
import { type ListedDocument, readDocumentList } from './document-list.ts';
import { isTooLong } from './parse-document.ts';

/** What names a document in the place of its text: in GraphQL over HTTP, in Relay, and with whom else. */
export const idNames = ['documentId', 'doc_id', 'id'] as const;

type TextLimits = Pick<Limits, 'documentTokens'>;

/** Whom a list binds: all, or only users and who has no credential. */
export type BoundBy = 'all' | 'users';

/**
 * The documents that a server knows by name, on every door. Where there is a list, a text that is not in it is refused, so
 * that who has stolen a token asks for nothing that no client of the operator asks for. Where there is none, any text is
 * taken, and no name.
 */
export class TrustedDocuments {
  readonly #bound: BoundBy;
  /** Undefined where there is no list. */
  readonly #texts: ReadonlyMap<string, string> | undefined;
  /** The texts, without what GraphQL ignores in them. */
  readonly #known: ReadonlySet<string>;

  readonly #limits: TextLimits;

  /** @throws KnownFailure where two texts have one id */
  constructor(list: readonly ListedDocument[] | undefined, bound: BoundBy = 'all', limits: TextLimits = defaultLimits) {
    this.#bound = bound;
    this.#limits = limits;
    this.#texts = list && byName(list);
    this.#known = new Set(list?.flatMap(({ text }) => [text, stripIgnoredCharacters(text)]));
  }

  /** Is there a list? */
  get binds(): boolean {
    return this.#texts !== undefined;
  }

  /**
   * The parameters of a request with the text of the document that they name, if they name one in the place of a text.
   * @throws AppError PERSISTED_QUERY_NOT_SUPPORTED where there is no list, PERSISTED_QUERY_NOT_FOUND. Apollo's clients know
   * both by their messages, and then send the text; others never have one, and are told more
   */
  resolve<T extends object>(params: T): T {
    if ('query' in params && params.query) return params;
    const named = nameIn(params as Readonly<Record<string, unknown>>); // whatever a client has sent
    if (!named) return params;
    if (!this.#texts) throw new AppError('PERSISTED_QUERY_NOT_SUPPORTED', 'PersistedQueryNotSupported');
    const query = this.#texts.get(named.name.replace(/^sha256:/, ''));
    if (query === undefined) throw new AppError('PERSISTED_QUERY_NOT_FOUND', notFound(named));
    const rest = Object.entries(params).filter(([name]) => name !== named.parameter);
    return { ...Object.fromEntries(rest), query } as T & { query: string };
  }

  /** @throws AppError PERSISTED_QUERY_NOT_IN_LIST for a text that this viewer may not send */
  check(text: string, viewer: Viewer): void {
    if (!this.#texts || (this.#bound === 'users' && seesAll(viewer))) return;
    if (this.#known.has(text) || this.#known.has(this.#stripped(text))) return;
    const refusal = `This server runs listed documents only. To list this one (SHA-256 ${sha256(text)}), build its client anew and hand the list that the build writes to the operator (TRUSTED_DOCUMENTS)`;
    throw new AppError('PERSISTED_QUERY_NOT_IN_LIST', seesAll(viewer) ? `${refusal}. ${WAY_OUT}` : refusal);
  }

  /** A text that is longer than any document may be is not read to its end: as it stands, it was in no list. */
  #stripped(text: string): string {
    try {
      return isTooLong(text, this.#limits) ? text : stripIgnoredCharacters(text);
    } catch {
      return text; // it is no GraphQL, and the parser says what is wrong with it where there is no list
    }
  }
}

/**
 * Reads the list at a path, if there is one.
 * @throws KnownFailure for a list that cannot be taken
 */
export async function openTrustedDocuments(
  path: string | undefined,
  bound: BoundBy,
  limits: TextLimits,
): Promise<TrustedDocuments> {
  return new TrustedDocuments(path === undefined ? undefined : await readDocumentList(path), bound, limits);
}

/** What users and strangers are not told: how other credentials are bound is no concern of theirs. */
const WAY_OUT = 'With TRUSTED_DOCUMENTS_FOR=users, API keys and developers send what they like';

/** A producer, a platform's backend, or a developer. */
const seesAll = ({ kind }: Viewer) => kind !== 'user' && kind !== 'anonymous';

function byName(list: readonly ListedDocument[]): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const { id, text, file } of list)
    for (const name of [id, sha256(text)]) {
      const known = texts.get(name);
      if (known !== undefined && stripIgnoredCharacters(known) !== stripIgnoredCharacters(text))
        throw new KnownFailure(`TRUSTED_DOCUMENTS: ${file} has another text for ${name} than the list has before it`);
      texts.set(name, text);
    }
  return texts;
}

/** What stands in the place of a text, and in which parameter; none for Apollo's. */
interface NamedDocument {
  readonly name: string;
  readonly parameter: (typeof idNames)[number] | undefined;
}

/** Older clients of Apollo know it by the message alone. */
function notFound({ parameter }: NamedDocument): string {
  return parameter
    ? `PersistedQueryNotFound: no trusted document has this ${parameter}. To list it, build its client anew and hand the list that the build writes to the operator (TRUSTED_DOCUMENTS)`
    : 'PersistedQueryNotFound';
}

function nameIn(given: Readonly<Record<string, unknown>>): NamedDocument | undefined {
  const { extensions } = given;
  const ofApollo = isObject(extensions) && isObject(extensions.persistedQuery) ? extensions.persistedQuery : undefined;
  if (ofApollo) return { name: String(ofApollo.sha256Hash), parameter: undefined };
  const parameter = idNames.find((name) => typeof given[name] === 'string');
  return parameter && { name: String(given[parameter]), parameter };
}
