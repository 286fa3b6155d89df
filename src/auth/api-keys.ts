import { randomUUID, timingSafeEqual } from 'node:crypto';
import { type Administrator, program } from '../audit/acts.ts';
import { writeAuditLine } from '../audit/audit.ts';
import { selectOf } from '../db/columns.ts';
import type { Database, Transaction } from '../db/database.ts';
import { isListed } from '../db/listed.ts';
import { type ApiKey as ApiKeyRow, apiKeyFields } from '../db/rows.ts';
import { joinSql, rawSql, sql } from '../db/sql.ts';
import { AppError, badInput } from '../errors.ts';
import { oneByOne } from '../lib/batch-turns.ts';
import type { Clock } from '../lib/clock.ts';
import type { Page } from '../lib/page.ts';
import { sha256 } from '../lib/sha256.ts';
import { isUuid } from '../lib/uuid.ts';
import type { Limits } from '../limits.ts';
import { type ApiKeyDraft, checkDraft, checkExpiry } from './check-api-key.ts';
import { Deadlines } from './deadlines.ts';
import { endOfSecret, type KeyLife } from './key-life.ts';
import type { KeyUses } from './key-uses.ts';
import type { OpenWearablesKeys } from './open-wearables-keys.ts';
import { newSecret, shownPartOf } from './secret.ts';
import { type Scope, type ServiceViewer, scopesAmong } from './viewer.ts';

/** A key as it may be shown: without its secret, and without the hash of it. */
export interface ApiKey extends KeyLife {
  readonly id: string;
  readonly name: string;
  /** How the secret begins; null for one that an earlier release has made. */
  readonly prefix: string | null;
  readonly scopes: readonly Scope[];
  readonly createdAt: Date;
  readonly revokedAt: Date | null;
  /** Some `keyUseMs` late; null for a key that was not used since this is written down. */
  readonly lastUsedAt: Date | null;
}

/** Where a key stands in the list of keys, which is ordered oldest first. */
export type ApiKeyPlace = Pick<ApiKey, 'createdAt' | 'id'>;

/** A key with the secret that was just made for it. */
export interface NewSecret {
  readonly key: ApiKey;
  readonly secret: string;
}

interface Rotation {
  readonly id: string;
  /** For how long the secret before stays good, within `limits.keyOverlapSeconds`. */
  readonly overlapSeconds: number;
  /** When the key ends from now on; null for never. Undefined leaves it. */
  readonly expiresAt?: Date | null | undefined;
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
  readonly limits: Pick<Limits, 'apiKeyNameLength' | 'apiKeyLength' | 'keyOverlapSeconds'>;
  readonly clock?: Clock;
  /** Told of each use of a key. */
  readonly uses?: Pick<KeyUses, 'note'>;
}

/** Told of a key that was revoked (null) or rotated. */
type KeyListener = (id: string, life: KeyLife | null) => void;

/** A key that has the hash of a secret, be it the present one or the one before. */
type FoundKey = ApiKeyRow & { readonly hash: string };

/** The API keys of one database, and the own key of this process if it has one. */
export class ApiKeys {
  readonly #database: Database;
  readonly #limits: ApiKeyParts['limits'];
  readonly #clock: Clock;
  readonly #own: { readonly hash: Buffer; readonly viewer: ServiceViewer } | undefined;
  readonly #elsewhere: ApiKeyParts['elsewhere'];
  /** What is asked for until the last answer came is one statement. */
  readonly #bySecretHash: (hash: string) => Promise<FoundKey | undefined>;
  readonly #uses: ApiKeyParts['uses'];
  readonly #deadlines = new Deadlines();
  readonly #listeners = new Set<KeyListener>();

  constructor({ database, ownKey, elsewhere, limits, clock = Date.now, uses }: ApiKeyParts) {
    this.#database = database;
    this.#elsewhere = elsewhere;
    this.#limits = limits;
    this.#clock = clock;
    this.#uses = uses;
    this.#own = ownKey && { hash: Buffer.from(sha256(ownKey.secret)), viewer: viewerOf(ownKey) };
    this.#bySecretHash = oneByOne(
      (hashes) => findBySecretHash(database, hashes),
      (found) => found.hash,
    );
  }

  /**
   * Makes a key. The secret is in this answer and nowhere else: only its hash is stored.
   * @throws AppError `BAD_USER_INPUT`: a name that is blank, too long (`limits.apiKeyNameLength`, counted
   * in UTF-16 code units without the blanks around it) or not one line; no scope; an expiry that is not in the future.
   */
  async create(draft: ApiKeyDraft, by: Administrator = program): Promise<NewSecret> {
    const { name, scopes, expiresAt } = checkDraft(draft, this.#limits, this.#clock());
    const secret = newSecret();
    const data = {
      id: randomUUID(),
      name,
      prefix: shownPartOf(secret),
      secretHash: sha256(secret),
      scopes: scopes.join(' '),
      createdAt: new Date(this.#clock()),
      expiresAt,
    };
    const row = await this.#database.transaction(async (transaction) => {
      const made = await transaction.apiKey.create({ data });
      const { prefix } = made;
      const details = { name, scopes, prefix, expiresAt };
      await writeAuditLine(transaction, { act: 'api_key_created', by, target: made.id, at: data.createdAt, details });
      return made;
    });
    return { key: fromRow(row), secret };
  }

  /** All keys, the dead ones too, oldest first. */
  async list(): Promise<ApiKey[]> {
    const rows = await this.#database.reader.apiKey.findMany({ orderBy: [{ createdAt: 'asc' }, { id: 'asc' }] });
    return rows.map(fromRow);
  }

  /** A page of all keys, the dead ones too, oldest first; one statement. */
  async page({ after, before, limit, fromEnd }: Page<ApiKeyPlace>): Promise<ApiKey[]> {
    const conditions = [sql`true`];
    if (after) conditions.push(sql`(k.created_at, k.id) > (${after.createdAt}, ${after.id})`);
    if (before) conditions.push(sql`(k.created_at, k.id) < (${before.createdAt}, ${before.id})`);
    const direction = rawSql(fromEnd ? 'DESC' : 'ASC');
    const rows = await this.#database.reader.$queryRaw<ApiKeyRow[]>`
      SELECT ${selectedKey} FROM api_key k WHERE ${joinSql(conditions, ' AND ')}
      ORDER BY k.created_at ${direction}, k.id ${direction} LIMIT ${limit}`;
    return (fromEnd ? rows.reverse() : rows).map(fromRow);
  }

  /**
   * Makes another secret for a key, which is in this answer and nowhere else. The secret before stays good for
   * `overlapSeconds`, and no longer than it was to be; one before that ends now.
   * @throws AppError `NOT_FOUND`; `BAD_USER_INPUT` for a key that is revoked or has expired, an overlap that is not a whole
   * number within `limits.keyOverlapSeconds`, or an expiry that is not in the future
   */
  async rotate({ id, overlapSeconds, expiresAt }: Rotation, by: Administrator = program): Promise<NewSecret> {
    if (!isUuid(id)) throw noSuchKey();
    const { min, max } = this.#limits.keyOverlapSeconds;
    if (!Number.isInteger(overlapSeconds) || overlapSeconds < min || overlapSeconds > max)
      throw badInput(`overlapSeconds must be a whole number, ${min} to ${max}`, ['input', 'overlapSeconds']);
    const now = this.#clock();
    if (expiresAt) checkExpiry(expiresAt, now);
    const secret = newSecret();
    const endsAt = new Date(now + overlapSeconds * 1_000);
    const row = await this.#database.transaction(async (transaction) => {
      // Locks the row, so that of two rotations each replaces another secret.
      const [key] = await transaction.apiKey.updateManyAndReturn({
        where: { id, revokedAt: null },
        data: { rotations: { increment: 1 } },
      });
      if (!key || (key.expiresAt && key.expiresAt.getTime() <= now)) throw await whyNotRotated(transaction, id);
      const rotated = await transaction.apiKey.update({
        where: { id },
        data: {
          prefix: shownPartOf(secret),
          secretHash: sha256(secret),
          previousHash: overlapSeconds === 0 ? null : key.secretHash,
          previousEndsAt: key.expiresAt && key.expiresAt < endsAt ? key.expiresAt : endsAt,
          ...(expiresAt !== undefined && { expiresAt }),
        },
      });
      const { prefix, previousEndsAt } = rotated;
      const details = { prefix, expiresAt: rotated.expiresAt, previousSecretEndsAt: previousEndsAt };
      await writeAuditLine(transaction, { act: 'api_key_rotated', by, target: id, at: new Date(now), details });
      return rotated;
    });
    const key = fromRow(row);
    this.#tell(id, key);
    return { key, secret };
  }

  /**
   * Ends a key for good and then tells the listeners. Repeating it changes nothing: the first time stays.
   * @throws AppError `NOT_FOUND`
   */
  async revoke(id: string, by: Administrator = program): Promise<ApiKey> {
    if (!isUuid(id)) throw noSuchKey();
    const row = await this.#database.transaction(async (transaction) => {
      const at = new Date(this.#clock());
      const { count } = await transaction.apiKey.updateMany({
        where: { id, revokedAt: null },
        data: { revokedAt: at },
      });
      if (count > 0) await writeAuditLine(transaction, { act: 'api_key_revoked', by, target: id, at });
      return transaction.apiKey.findUnique({ where: { id } });
    });
    if (!row) throw noSuchKey();
    this.#tell(id, null);
    return fromRow(row);
  }

  /**
   * The service that this secret belongs to, or null when it is unknown, revoked or expired. All that are asked for at
   * once are one indexed look-up. A key that was made here is judged here, and nobody else is shown it.
   * @throws AppError `UNAVAILABLE` when who else may know the key cannot be asked
   */
  async verify(secret: string): Promise<ServiceViewer | null> {
    if (secret.length > this.#limits.apiKeyLength) return null;
    const hash = sha256(secret);
    if (this.#own && timingSafeEqual(Buffer.from(hash), this.#own.hash)) return this.#own.viewer;
    const row = await this.#bySecretHash(hash);
    if (!row) return (await this.#elsewhere?.verify(secret)) ?? null;
    const rotation = row.secretHash === row.hash ? row.rotations : row.rotations - 1;
    if (!this.isGood(row, rotation)) return null;
    this.#uses?.note(row.id);
    const { id: keyId, name, scopes } = fromRow(row);
    return {
      kind: 'service',
      keyId,
      name,
      scopes: new Set(scopes),
      expiresAt: endOfSecret(row, rotation),
      rotation,
    };
  }

  /**
   * Of those of `ids` that nobody has revoked, for how long they are good, be that over or not; found with one statement.
   * Whoever asks has streams open with these keys, so that they are used.
   */
  async unrevoked(ids: readonly string[]): Promise<ReadonlyMap<string, KeyLife>> {
    if (ids.length === 0) return new Map();
    const rows = await this.#database.reader.$queryRaw<(KeyLife & { readonly id: string })[]>`
      SELECT id, rotations, expires_at AS "expiresAt", previous_ends_at AS "previousEndsAt"
      FROM api_key WHERE ${isListed(this.#database, sql`id`, ids)} AND revoked_at IS NULL`;
    for (const { id } of rows) this.#uses?.note(id);
    const unrevoked = new Map(rows.map(({ id, ...life }) => [id, life]));
    if (this.#own) unrevoked.set(this.#own.viewer.keyId, { rotations: 0, expiresAt: null, previousEndsAt: null });
    return unrevoked;
  }

  /** Calls `listener` for each key that this process revokes or rotates, after the commit. Returns how to stop it. */
  onChanged(listener: KeyListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Would this key be accepted now? @param rotation which of its secrets; the present one if it is left out */
  isGood(key: KeyLife & Pick<ApiKey, 'id' | 'revokedAt'>, rotation = key.rotations): boolean {
    if (key.revokedAt !== null) return false;
    const end = endOfSecret(key, rotation);
    return end === null || !this.#deadlines.isOver(`${key.id} ${end.getTime()}`, end, this.#clock());
  }

  #tell(id: string, life: KeyLife | null): void {
    for (const listener of this.#listeners) listener(id, life);
  }
}

function viewerOf({ name, scopes }: OwnKey): ServiceViewer {
  return { kind: 'service', keyId: randomUUID(), name, scopes: new Set(scopes), expiresAt: null };
}

function findBySecretHash(database: Database, hashes: readonly string[]): Promise<FoundKey[]> {
  return database.reader.$queryRaw`
    SELECT ${selectedKey}, k.secret_hash AS hash
    FROM api_key k WHERE ${isListed(database, sql`k.secret_hash`, hashes, 'text')}
    UNION ALL
    SELECT ${selectedKey}, k.previous_hash AS hash
    FROM api_key k WHERE ${isListed(database, sql`k.previous_hash`, hashes, 'text')}`;
}

const selectedKey = selectOf('k', apiKeyFields);

function noSuchKey(): AppError {
  return new AppError('NOT_FOUND', 'There is no API key with this id');
}

async function whyNotRotated(transaction: Transaction, id: string): Promise<AppError> {
  const key = await transaction.apiKey.findUnique({ where: { id } });
  if (!key) return noSuchKey();
  return badInput(`the key ${key.revokedAt ? 'is revoked' : 'has expired'}; make another one`, ['input', 'id']);
}

function fromRow({ secretHash: _, previousHash: __, scopes, ...shown }: ApiKeyRow): ApiKey {
  return { ...shown, scopes: scopesAmong(scopes.split(' ')) };
}
