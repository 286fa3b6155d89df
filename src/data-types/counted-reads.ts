import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Reader } from '../db/database.ts';
import { joinSql, rawSql, SELECTS_PER_STATEMENT, type Sql, sql } from '../db/sql.ts';
import { inPieces } from '../lib/in-pieces.ts';

/** Rows that one statement reads: SQLite keeps the process for some milliseconds with them. */
export const ROWS_PER_STATEMENT = 500;

/** Told how many rows each key has, once they are more than one statement may read. @throws to have no more of them read */
export type HearCounts = (counts: readonly number[]) => void;

/** What is read for each of many keys. */
interface CountedRead<Key> {
  readonly keys: readonly Key[];
  /** How many rows are read for one key. */
  readonly most: number;
  readonly selected: Sql;
  /** From the table `d` on, without order and end. */
  readonly from: (key: Key) => Sql;
  readonly hear?: HearCounts | undefined;
}

/**
 * Reads rows with `dataType`, those of each key by it. Where there turn out to be more than one statement may read they are
 * counted, along their index, and are read in pieces, between which others are served.
 */
export async function readCounted<Key, Row>(reader: Reader, read: CountedRead<Key>): Promise<readonly Row[]> {
  const { keys, most, selected, from, hear } = read;
  const few = await readFew();
  if (few) return few;
  const counts = await countRows(reader, read);
  hear?.(counts);
  const found: Row[] = [];
  for (const some of piecesOf(keys, counts)) {
    await nextTurn();
    found.push(...(await readRows(some, some.length * most)));
  }
  return found;

  /** Nothing where they are not few. */
  async function readFew(): Promise<readonly Row[] | undefined> {
    const rows: Row[] = [];
    for (const some of inPieces(keys, SELECTS_PER_STATEMENT)) {
      rows.push(...(await readRows(some, ROWS_PER_STATEMENT + 1 - rows.length)));
      if (rows.length > ROWS_PER_STATEMENT) return undefined;
    }
    return rows;
  }

  /** The limit stands within what is ordered: the keys after it are not looked at. */
  function readRows(some: readonly Key[], limit: number): Promise<Row[]> {
    const selects = some.map(
      (key) => sql`SELECT * FROM (SELECT ${selected} ${from(key)} ORDER BY d.data_type LIMIT ${most}) AS p`,
    );
    const rows = joinSql(selects, ' UNION ALL ');
    return reader.$queryRaw<Row[]>`SELECT * FROM (${rows} LIMIT ${limit}) AS r ORDER BY "dataType"`;
  }
}

async function countRows<Key>(reader: Reader, { keys, most, from }: CountedRead<Key>): Promise<number[]> {
  const counts = keys.map(() => 0);
  for (const some of inPieces([...keys.entries()], SELECTS_PER_STATEMENT)) {
    const selects = some.map(
      ([at, key]) => sql`SELECT ${rawSql(String(at))} AS at, CAST(count(*) AS INTEGER) AS count
        FROM (SELECT 1 AS one ${from(key)} LIMIT ${most}) AS p`,
    );
    const rows = reader.$queryRaw<{ readonly at: number; readonly count: number }[]>(joinSql(selects, ' UNION ALL '));
    for (const { at, count } of await rows) counts[at] = count;
  }
  return counts;
}

/** The keys that have rows, so many together as one statement may read. */
function* piecesOf<Key>(keys: readonly Key[], counts: readonly number[]): Generator<Key[], void, undefined> {
  let piece: Key[] = [];
  let rows = 0;
  for (const [at, key] of keys.entries()) {
    const count = counts[at] ?? 0;
    if (count === 0) continue;
    if (piece.length === SELECTS_PER_STATEMENT || (piece.length > 0 && rows + count > ROWS_PER_STATEMENT)) {
      yield piece;
      piece = [];
      rows = 0;
    }
    piece.push(key);
    rows += count;
  }
  if (piece.length > 0) yield piece;
}
