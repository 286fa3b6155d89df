import { createHash } from 'node:crypto';
import { selectOf, toStorable } from '../db/columns.ts';
import type { Database, Transaction } from '../db/database.ts';
import { isListed } from '../db/listed.ts';
import { type QuarantinedEntry, quarantinedEntryFields } from '../db/rows.ts';
import { joinSql, rawSql, type Sql, sql } from '../db/sql.ts';
import type { Clock } from '../lib/clock.ts';
import { inPieces } from '../lib/in-pieces.ts';
import type { Page } from '../lib/page.ts';
import type { Limits } from '../limits.ts';

/** Why an entry could not be read or stored, in the words that the database keeps. */
export type QuarantineReason = 'not_json' | 'bad_event' | 'event_id_conflict' | 'unreadable_key' | 'not_stored';

/** An entry of a source that could not be read or stored. */
export interface UnreadableEntry {
  readonly reason: QuarantineReason;
  /** What is wrong with it. */
  readonly detail: string;
  /** Where it was found, such as a key or a channel. */
  readonly place: string;
  /** All of it. */
  readonly text: string;
}

/** An entry that was not stored, with all of its text: it can be tried again. */
interface NotStoredEntry {
  readonly fingerprint: string;
  readonly place: string;
  readonly text: string;
}

/** Where an entry stands in the list of those of its source, which is ordered newest first. */
export interface QuarantineKey {
  readonly firstSeenAt: Date;
  readonly fingerprint: string;
}

/** Entries that one statement inserts. */
const BATCH = 500;
/** A source is trimmed once per (limit / TRIMS) new entries: up to 10 % more than the limit may be kept. */
const TRIMS = 10;
/** Entries that are tried again and held in memory at once. */
const NOT_STORED_PAGE = 100;
const NOT_STORED: QuarantineReason = 'not_stored';
const DETAIL_LENGTH = 500;
const PLACE_LENGTH = 200;

/**
 * Where entries of sources go that could not be read or stored. An entry is kept and counted once, however often it
 * comes again. Of each source the newest `quarantinedEntries` are kept, and the newest `quarantinedPayloads` of those
 * with their text, and every one that was not stored; an entry that comes again after it was removed is counted again.
 */
export class Quarantine {
  readonly #database: Database;
  readonly #limits: Limits;
  readonly #clock: Clock;

  constructor(options: { database: Database; limits: Limits; clock: Clock }) {
    this.#database = options.database;
    this.#limits = options.limits;
    this.#clock = options.clock;
  }

  /** Keeps some entries of a source, and resolves to how many of them are new once that is durable. */
  async add(source: string, entries: readonly UnreadableEntry[]): Promise<number> {
    let added = 0;
    for (const some of inPieces(entries, BATCH)) {
      const rows = some.map((entry) => this.#toRow(source, entry));
      added += await this.#database.transaction((transaction) => this.#insert(transaction, source, rows));
    }
    return added;
  }

  /** A page of a source's entries, newest first, with the beginnings of their texts. */
  async list(source: string, page: Page<QuarantineKey>): Promise<QuarantinedEntry[]> {
    const { after, before, limit, fromEnd } = page;
    const conditions = [sql`q.source = ${source}`];
    // As rows: Postgres would walk from the beginning of the list to a cursor that is told in single columns.
    if (after) conditions.push(sql`(q.first_seen_at, q.fingerprint) < (${after.firstSeenAt}, ${after.fingerprint})`);
    if (before) conditions.push(sql`(q.first_seen_at, q.fingerprint) > (${before.firstSeenAt}, ${before.fingerprint})`);
    const direction = rawSql(fromEnd ? 'ASC' : 'DESC');
    const found = await this.#database.reader.$queryRaw<QuarantinedEntry[]>`
      SELECT ${selectedEntry} FROM quarantined_entry q WHERE ${joinSql(conditions, ' AND ')}
      ORDER BY q.first_seen_at ${direction}, q.fingerprint ${direction} LIMIT ${limit}`;
    const { quarantinedPayloadLength } = this.#limits;
    const shown = found.map(({ payload, ...entry }) => ({
      ...entry,
      payload: payload === null ? null : toStorable(payload, quarantinedPayloadLength),
    }));
    return fromEnd ? shown.reverse() : shown;
  }

  /** A page of the entries that were not stored, in the order of their fingerprints; none past the last. */
  async notStored(source: string, after: string): Promise<{ last: string | undefined; entries: NotStoredEntry[] }> {
    const rows = await this.#database.reader.$queryRaw<
      Pick<QuarantinedEntry, 'fingerprint' | 'place' | 'payload' | 'payloadBytes'>[]
    >`SELECT fingerprint, place, payload, payload_bytes AS "payloadBytes" FROM quarantined_entry
      WHERE source = ${source} AND reason = ${NOT_STORED} AND fingerprint > ${after}
      ORDER BY fingerprint LIMIT ${NOT_STORED_PAGE}`;
    // An earlier release has cut long texts.
    const entries = rows.flatMap(({ fingerprint, place, payload: text, payloadBytes }) =>
      text !== null && Buffer.byteLength(text) === payloadBytes ? { fingerprint, place, text } : [],
    );
    return { last: rows.at(-1)?.fingerprint, entries };
  }

  /** Takes an entry out: it is stored now. */
  async remove(fingerprint: string): Promise<void> {
    await this.#database.transaction((transaction) =>
      transaction.quarantinedEntry.deleteMany({ where: { fingerprint } }),
    );
  }

  /** Those of the texts whose entries the source's quarantine keeps. */
  async holds(source: string, texts: readonly string[]): Promise<ReadonlySet<string>> {
    const byFingerprint = new Map(texts.map((text) => [fingerprintOf(source, text), text]));
    const isAsked = isListed(this.#database, sql`fingerprint`, [...byFingerprint.keys()], 'text');
    const found = await this.#database.reader.$queryRaw<Pick<QuarantinedEntry, 'fingerprint'>[]>`
      SELECT fingerprint FROM quarantined_entry WHERE ${isAsked}`;
    return new Set(found.flatMap(({ fingerprint }) => byFingerprint.get(fingerprint) ?? []));
  }

  #toRow(source: string, { reason, detail, place, text }: UnreadableEntry): Sql {
    const values = [
      fingerprintOf(source, text),
      source,
      reason,
      toStorable(detail, DETAIL_LENGTH),
      toStorable(place, PLACE_LENGTH),
      // What was not stored is kept whole, as it is tried again.
      toStorable(text, reason === NOT_STORED ? text.length : this.#limits.quarantinedPayloadLength),
      Buffer.byteLength(text),
      new Date(this.#clock()),
    ];
    return sql`(${joinSql(values)})`;
  }

  async #insert(transaction: Transaction, source: string, rows: readonly Sql[]): Promise<number> {
    const added = await transaction.$executeRaw`
      INSERT INTO quarantined_entry
        (fingerprint, source, reason, detail, place, payload, payload_bytes, first_seen_at)
      VALUES ${joinSql([...rows])} ON CONFLICT DO NOTHING`;
    if (added === 0) return 0;
    const { quarantined } = await transaction.source.update({
      where: { name: source },
      data: { quarantined: { increment: added } },
      select: { quarantined: true },
    });
    await this.#trim(transaction, source, { added, total: Number(quarantined) });
    return added;
  }

  /** Removes texts and entries beyond the limits. Finding them means to count all that is kept, so it is done seldom. */
  async #trim(transaction: Transaction, source: string, { added, total }: { added: number; total: number }) {
    const { quarantinedPayloads: payloads, quarantinedEntries: most } = this.#limits;
    const payloadStep = Math.ceil(payloads / TRIMS);
    if (passes(payloadStep, added, total))
      // Entries further down have lost their text at earlier trims: only those that may have come since are looked at.
      await transaction.$executeRaw`
        UPDATE quarantined_entry SET payload = NULL WHERE fingerprint IN (
          SELECT fingerprint FROM quarantined_entry WHERE source = ${source} AND reason <> ${NOT_STORED}
          ORDER BY first_seen_at DESC, fingerprint DESC LIMIT ${2 * payloadStep + added} OFFSET ${payloads})`;
    if (!passes(Math.ceil(most / TRIMS), added, total)) return;
    const last = await transaction.quarantinedEntry.findFirst({
      where: { source },
      orderBy: [{ firstSeenAt: 'desc' }, { fingerprint: 'desc' }],
      skip: most - 1,
      select: { firstSeenAt: true, fingerprint: true },
    });
    if (last) await transaction.quarantinedEntry.deleteMany({ where: { source, ...olderThan(last) } });
  }
}

const selectedEntry = selectOf('q', quarantinedEntryFields);

/** Has a count that has grown to `total` by `added` passed a multiple of the step? */
function passes(step: number, added: number, total: number): boolean {
  return Math.floor(total / step) > Math.floor((total - added) / step);
}

function fingerprintOf(source: string, text: string): string {
  return createHash('sha256').update(source).update('\0').update(text).digest('hex');
}

function olderThan({ firstSeenAt, fingerprint }: QuarantineKey) {
  return { OR: [{ firstSeenAt: { lt: firstSeenAt } }, { firstSeenAt, fingerprint: { lt: fingerprint } }] };
}
