import { inLowerCase } from '../db/columns.ts';
import { rawSql, type Sql } from '../db/sql.ts';
import { type ScopeWord, wordOf } from './words.ts';

/** What is meant where no scope is named. */
const unnamed: ScopeWord = 'live';

/** What a filter compares of the scope of an event or a run. */
export function meantScope(scope: string | null): string {
  return wordOf(scope ?? unnamed);
}

/** The same in SQL, of an event `e` or a run `r`. */
export function meantScopeIn(table: 'e' | 'r'): Sql {
  return rawSql(`coalesce(${inLowerCase(`${table}.scope`)}, '${unnamed}')`);
}
