import { inLowerCase, toColumn } from '../db/columns.ts';
import type { Provider } from '../db/database.ts';
import type { User } from '../db/rows.ts';
import { rawSql, type Sql, sql } from '../db/sql.ts';

/** The texts of a user that a search looks through. */
export const textFields = ['externalUserId', 'email', 'firstName', 'lastName'] as const;
export type UserTexts = Readonly<Pick<User, (typeof textFields)[number]>>;

/** Stands between the texts of a user; folded texts hold none, so that nothing is found across two of them. */
const SEPARATOR = '\u001F';

/**
 * A text as it is searched: what people take for the same is the same. Neither case nor the form of a letter counts: upper
 * and lower case of every script, `ß` as `ss`, `İ` and `ı` as `i`, `ς` as `σ`, accents composed or not, full-width letters,
 * ligatures, and blanks of any kind and number. Accents do count. Databases have rules of their own for each of these.
 */
function foldText(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase() // first, as only the lower case of ẞ has an upper case that is SS
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKC')
    .replaceAll('ς', 'σ')
    .replaceAll('i\u0307', 'i')
    .replaceAll(/[\s\p{Cc}]+/gu, ' ');
}

/** What is stored of a user to be searched. */
export function searchTextOf(user: UserTexts): string {
  return textFields.flatMap((field) => (user[field] ? [foldText(user[field])] : [])).join(SEPARATOR);
}

/** What a search looks for, folded; nothing if that is every user. */
export function toSought(search: string | null | undefined): string | undefined {
  return foldText(search ?? '').trim() || undefined;
}

/** Of users whose texts are not folded yet: A to Z are found in any case, as the database knows them. */
const unfolded = inLowerCase(
  textFields.map((field) => `coalesce(u.${toColumn(field)}, '')`).join(` || '${SEPARATOR}' || `),
);

/** The condition that a text of the user `u` holds what is sought. No character of it is a wildcard. */
export function holds(sought: string, provider: Provider): Sql {
  const position = rawSql(provider === 'postgresql' ? 'strpos' : 'instr');
  return sql`${position}(coalesce(u.search_text, ${rawSql(unfolded)}), ${sought}) > 0`;
}
