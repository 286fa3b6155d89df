import type { Provider } from './database.ts';
import { rawSql, type Sql, sql } from './sql.ts';

/**
 * What a row weighs beside its texts. The unit is what it takes SQLite to look for a text in a byte of another one: to look
 * at a row at all takes it as long as that with some hundred bytes.
 */
const ROW_WEIGHT = 500;

/**
 * The weight of a row, by its texts and by what SQLite has to pass by to read the columns behind them. Their lengths are
 * known without reading them: in Postgres that of JSON is not, and nothing passes it by.
 */
export function weightOf(
  kind: Provider,
  { texts, json = [] }: { texts: readonly string[]; json?: readonly string[] },
): Sql {
  const weighed = kind === 'sqlite' ? [...texts, ...json] : texts;
  return rawSql([ROW_WEIGHT, ...weighed.map((column) => `coalesce(octet_length(${column}), 0)`)].join(' + '));
}

/**
 * Of a list, the first item with which it weighs as much as `size` rows without any text, or nothing if all of it weighs less.
 * @param items a SELECT of the keys and `weight` of the first `size` items at most
 * @param order of the list, by the keys
 */
export function selectWeighedEnd(items: Sql, keys: Sql, order: Sql, size: number): Sql {
  return sql`
    SELECT ${keys} FROM (
      SELECT ${keys}, sum(weight) OVER (ORDER BY ${order} ROWS UNBOUNDED PRECEDING) AS weighed FROM (${items}) AS item) AS item
    WHERE weighed >= ${size * ROW_WEIGHT} ORDER BY ${order} LIMIT 1`;
}
