import { toColumn } from '../db/columns.ts';
import type { Provider } from '../db/database.ts';
import { joinSql, rawSql, type Sql, sql } from '../db/sql.ts';
import { foldText } from '../lib/fold-text.ts';

/** The texts of an event or a run that a search looks through. */
export const searchedFields = ['message', 'error', 'runId'] as const;
type SearchedField = (typeof searchedFields)[number];
type SearchedTexts = Readonly<Record<SearchedField, string | null>>;

/** What is looked for, and where. */
export interface TextSearch {
  /** A part of one of the texts. */
  readonly search?: string | null | undefined;
  /** The texts that are looked through; all of them if it is left out. */
  readonly searchedIn?: readonly SearchedField[] | undefined;
}

/** In lower case, as far as it is A to Z: that is what every database can do, and does in the same way. */
const lowerAToZ = (text: string) => text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());

/**
 * What is looked for in texts that are in lower case as far as they are A to Z. Nothing else is folded in them, so that other
 * letters are sought as they were written, in lower case, in upper case, and folded. Blanks at the ends do not count.
 */
function formsOf(search: string): string[] {
  const text = search.trim();
  const forms = [text, text.toLowerCase(), text.toUpperCase(), foldText(text).trim()];
  return [...new Set(forms.map(lowerAToZ))].filter(Boolean); // what is nothing but control characters folds to nothing
}

/** Is what is sought, if anything is, a part of one of the texts? */
export function holdsText(texts: SearchedTexts, { search, searchedIn = searchedFields }: TextSearch): boolean {
  if (search == null) return true;
  const forms = formsOf(search);
  return searchedIn.some((field) => {
    const text = lowerAToZ(texts[field] ?? '');
    return forms.some((form) => text.includes(form));
  });
}

/** What the databases write differently. Postgres folds other letters as well, but in a collation that knows none. */
const dialects: Readonly<Record<Provider, { readonly position: Sql; readonly inLowerCase: (column: string) => Sql }>> =
  {
    sqlite: { position: rawSql('instr'), inLowerCase: (column) => rawSql(`lower(${column})`) },
    postgresql: { position: rawSql('strpos'), inLowerCase: (column) => rawSql(`lower(${column} COLLATE "C")`) },
  };

/** The same condition as {@link holdsText}, of a table of that name. No character of what is sought is a wildcard. */
export function holdsTextIn(table: string, { search, searchedIn = searchedFields }: TextSearch, kind: Provider): Sql[] {
  if (search == null) return [];
  const columns = searchedIn.map((field) => `${table}.${toColumn(field)}`);
  const { position, inLowerCase } = dialects[kind];
  const found = formsOf(search).flatMap((form) =>
    columns.map((column) => sql`${position}(${inLowerCase(column)}, ${form}) > 0`),
  );
  return [sql`(${joinSql(found, ' OR ')})`];
}
