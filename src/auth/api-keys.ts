import { hash, randomBytes, randomUUID } from 'node:crypto';
import { selectOf } from '../db/columns.ts';
import type { Database } from '../db/database.ts';
import { isListed } from '../db/listed.ts';
import { type ApiKey as ApiKeyRow, apiKeyFields } from '../db/rows.ts';
import { sql } from '../db/sql.ts';
import { AppError, badInput } from '../errors.ts';
import { oneByOne } from '../lib/batch-turns.ts';
import type { Clock } from '../lib/clock.ts';
import { isUuid } from '../lib/uuid.ts';
import type { Limits } from '../limits.ts';
import { Deadlines } from './deadlines.ts';
import type { OpenWearablesKeys } from './open-wearables-keys.ts';
import { type Scope, type ServiceViewer, scopesAmong } from './viewer.ts';

/** What every secret starts with. */
export const SECRET_PREFIX = 'sk-';
const SECRET_BYTES = 32;

/** A key as it may be shown: without its secret, and without the hash of it. */
export interface ApiKey {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
}

interface ApiKeyDraft {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Null for a key that lasts until it is revoked. */
  readonly expiresAt: Date | null;
}

/** A key that is good for one process alone and in no database, so that nothing of it stays behind. */
export interface OwnKey {
  readonly secret: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
}

interface ApiKeyParts {
  readonly database: Database;
  readonly ownKey?: OwnKey | undefined;
  /** Who is asked about a key that is not in the database. */
  readonly elsewhere?: Pick<OpenWearablesKeys, 'verify'> | undefined;
  readonly limits: Pick<Limits, 'apiKeyNameLength' | 'apiKeyLength'>;
  readonly clock?: Clock;
}

/** The API keys of one database, and the own key of this process if it has one. */
export class ApiKeys {
  readonly #database: Database;
  readonly #limits: ApiKeyParts['limits'];
  readonly #clock: Clock;
  readonly #own: { readonly secret: string; readonly viewer: ServiceViewer } | undefined;
  readonly #elsewhere: ApiKeyParts['elsewhere'];
  /** What is asked for until the last answer came is one statement. */
  readonly #bySecretHash: (hash: string) => Promise<ApiKeyRow | undefined>;
  readonly #deadlines = new Deadlines();
  readonly #listeners = new Set<(id: string) => void>();

  constructor({ database, ownKey, elsewhere, limits, clock = Date.now }: ApiKeyParts) {
    this.#database = database;
    this.#elsewhere = elsewhere;
    this.#limits = limits;
    this.#clock = clock;
    this.#own = ownKey && { secret: ownKey.secret, viewer: viewerOf(ownKey) };
    this.#bySecretHash = oneByOne(
      (hashes) => findBySecretHash(database, hashes),
      ({ secretHash }) => secretHash,
    );
  }

  /**
   * Makes a key. The secret is in this answer and nowhere else: only its hash is stored.
   * @throws AppError `BAD_USER_INPUT`: a name that is blank, too long (`limits.apiKeyNameLength`, counted
   * in UTF-16 code units without the blanks around it) or not one line; no scope; an expiry that is not in the future.
   */
  async create(draft: ApiKeyDraft): Promise<{ readonly key: ApiKey; readonly secret: string }> {
    const { name, scopes, expiresAt } = checkDraft(draft, this.#limits, this.#clock());
    const secret = SECRET_PREFIX + randomBytes(SECRET_BYTES).toString('hex');
    const data = {
      id: randomUUID(),
      name,
      secretHash: hashOf(secret),
      scopes: scopes.join(' '),
      createdAt: new Date(this.#clock()),
      expiresAt,
    };
    const row = await this.#database.transaction((transaction) => transaction.apiKey.create({ data }));
    return { key: fromRow(row), secret };
  }

  /** All keys, the dead ones too, oldest first. */
  async list(): Promise<ApiKey[]> {
    const rows = await this.#database.reader.apiKey.findMany({ orderBy: [{ createdAt: 'asc' }, { id: 'asc' }] });
    return rows.map(fromRow);
  }

  /**
   * Ends a key for good and then tells the listeners. Repeating it changes nothing: the first time stays.
   * @throws AppError `NOT_FOUND`
   */
  async revoke(id: string): Promise<ApiKey> {
    if (!isUuid(id)) throw noSuchKey();
    const row = await this.#database.transaction(async (transaction) => {
      await transaction.apiKey.updateMany({
        where: { id, revokedAt: null },
        data: { revokedAt: new Date(this.#clock()) },
      });
      return transaction.apiKey.findUnique({ where: { id } });
    });
    if (!row) throw noSuchKey();
    for (const listener of this.#listeners) listener(id);
    return fromRow(row);
  }

  /**
   * The service that this secret belongs to, or null when it is unknown, revoked or expired. All that are asked for at
   * once are one indexed look-up. A key that was made here is judged here, and nobody else is shown it.
   * @throws AppError `UNAVAILABLE` when who else may know the key cannot be asked
   */
  async verify(secret: string): Promise<ServiceViewer | null> {
    if (secret.length > this.#limits.apiKeyLength) return null;
    if (secret === this.#own?.secret) return this.#own.viewer;
    const row = await this.#bySecretHash(hashOf(secret));
    if (!row) return (await this.#elsewhere?.verify(secret)) ?? null;
    if (!this.isGood(row)) return null;
    const { id: keyId, name, scopes, expiresAt } = fromRow(row);
    return { kind: 'service', keyId, name, scopes: new Set(scopes), expiresAt };
  }

  /** Those of `ids` that nobody has revoked, whether their time is over or not; found with one statement. */
  async unrevoked(ids: readonly string[]): Promise<ReadonlySet<string>> {
    if (ids.length === 0) return new Set();
    const rows = await this.#database.reader.$queryRaw<Pick<ApiKeyRow, 'id'>[]>`
      SELECT id FROM api_key WHERE ${isListed(this.#database, sql`id`, ids)} AND revoked_at IS NULL`;
    const unrevoked = new Set(rows.map(({ id }) => id));
    if (this.#own) unrevoked.add(this.#own.viewer.keyId);
    return unrevoked;
  }

  /** Calls `listener` with the id of each key that this process revokes, after the commit. Returns how to stop it. */
  onRevoked(listener: (id: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Would this key be accepted now? */
  isGood(key: Pick<ApiKey, 'id' | 'revokedAt' | 'expiresAt'>): boolean {
    if (key.revokedAt !== null) return false;
    return key.expiresAt === null || !this.#deadlines.isOver(key.id, key.expiresAt, this.#clock());
  }
}

function viewerOf({ name, scopes }: OwnKey): ServiceViewer {
  return { kind: 'service', keyId: randomUUID(), name, scopes: new Set(scopes), expiresAt: null };
}

function findBySecretHash(database: Database, hashes: readonly string[]): Promise<ApiKeyRow[]> {
  return database.reader.$queryRaw`
    SELECT ${selectedKey} FROM api_key k WHERE ${isListed(database, sql`k.secret_hash`, hashes, 'text')}`;
}

const selectedKey = selectOf('k', apiKeyFields);

function noSuchKey(): AppError {
  return new AppError('NOT_FOUND', 'There is no API key with this id');
}

function checkDraft(draft: ApiKeyDraft, limits: ApiKeyParts['limits'], now: number): ApiKeyDraft {
  const name = draft.name.trim();
  if (name === '' || name.length > limits.apiKeyNameLength)
    throw badInput(`name must have 1 to ${limits.apiKeyNameLength} characters`, ['input', 'name']);
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(name) || !name.isWellFormed())
    throw badInput('name must be one line of well-formed Unicode', ['input', 'name']);
  const scopes = scopesAmong(draft.scopes);
  if (scopes.length === 0) throw badInput('scopes must name at least one scope', ['input', 'scopes']);
  // Negated, so that an invalid date is refused as well.
  if (draft.expiresAt !== null && !(draft.expiresAt.getTime() > now))
    throw badInput('expiresAt must be in the future', ['input', 'expiresAt']);
  return { name, scopes, expiresAt: draft.expiresAt };
}

/** A secret is 256 random bits, so a plain hash without salt cannot be guessed back. */
function hashOf(secret: string): string {
  return hash('sha256', secret);
}

function fromRow({ id, name, scopes, createdAt, expiresAt, revokedAt }: ApiKeyRow): ApiKey {
  return { id, name, scopes: scopesAmong(scopes.split(' ')), createdAt, expiresAt, revokedAt };
}
