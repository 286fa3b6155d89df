import { inLowerCase, toColumn } from '../db/columns.ts';
import type { Provider } from '../db/database.ts';
import type { User } from '../db/rows.ts';
import { joinSql, rawSql, type Sql, sql } from '../db/sql.ts';
import { foldText } from '../lib/fold-text.ts';

/** The texts of a user that a search looks through. */
export const textFields = ['externalUserId', 'email', 'firstName', 'lastName'] as const;
export type UserTexts = Readonly<Pick<User, (typeof textFields)[number]>>;

/** Stands between the texts of a user; what is sought holds none, so that nothing is found across two of them. */
const SEPARATOR = '\u001F';

/** What is stored of a user to be searched, with the texts that it was made of. */
export function foldUser(user: UserTexts): Pick<User, 'searchText' | 'foldedFrom'> {
  const texts = textFields.map((field) => user[field] ?? '');
  return {
    searchText: texts.filter(Boolean).map(foldText).join(SEPARATOR),
    foldedFrom: texts.join(SEPARATOR),
  };
}

/** The texts of a user that are others than when they were folded last. */
export function changedFields(user: User): (typeof textFields)[number][] {
  const before = (user.foldedFrom ?? '').split(SEPARATOR);
  return textFields.filter((field, index) => (user[field] ?? '') !== (before[index] ?? ''));
}

/** The texts of the user `u`, joined as in `folded_from`. The index `user_to_fold_idx` has the same expression in it. */
const texts: Readonly<Record<Provider, string>> = { sqlite: textsBetween('char'), postgresql: textsBetween('chr') };

function textsBetween(character: string): string {
  return textFields.map((field) => `coalesce(u.${toColumn(field)}, '')`).join(` || ${character}(31) || `);
}

export const textsOf = (provider: Provider): Sql => rawSql(texts[provider]);

/** 1 where the texts of the user `u` are not those that were folded, as an earlier release has written them; else null. */
const toFold = (provider: Provider): Sql =>
  sql`CASE WHEN coalesce(u.folded_from, '') <> (${textsOf(provider)}) THEN 1 END`;

/** The condition that the user `u` is to be folded. */
export const isToFold = (provider: Provider): Sql => sql`(${toFold(provider)}) = 1`;

/**
 * The condition that anybody is to be folded. It is an end of the index, whatever Postgres believes of the number of those
 * users: where it takes them for many, it reads the whole table to find the first one by any other condition.
 */
const isAnybodyToFold = (provider: Provider): Sql => sql`(SELECT max(${toFold(provider)}) FROM "user" u) = 1`;

/** What a search looks for. */
export interface Sought {
  readonly folded: string;
  readonly asWritten: string;
}

/** What a search looks for; nothing if that is every user. */
export function toSought(search: string | null | undefined): Sought | undefined {
  const asWritten = (search ?? '').replaceAll(/\p{Cc}+/gu, ' ').trim();
  const folded = foldText(asWritten).trim();
  return folded === '' ? undefined : { folded, asWritten };
}

/**
 * The condition that a text of the user `u` holds what is sought. No character of it is a wildcard. The texts of users who
 * are to be folded are searched as they are, in lower case as the database knows it: A to Z at the least. Other letters
 * of them may be in either case, so that what is sought is looked for in both, and as it was written.
 */
export function holds({ folded, asWritten }: Sought, provider: Provider): Sql {
  const position = rawSql(provider === 'postgresql' ? 'strpos' : 'instr');
  const inTexts = rawSql(inLowerCase(texts[provider]));
  const forms = new Set([folded, asWritten, asWritten.toLowerCase(), asWritten.toUpperCase()]);
  const isInTexts = [...forms].map((form) => sql`${position}(${inTexts}, lower(replace(${form}, 'I', 'i'))) > 0`);
  // Nearly always there is nobody to fold, and then the texts of nobody are put together.
  return sql`CASE WHEN ${isAnybodyToFold(provider)} AND ${isToFold(provider)}
    THEN ${joinSql(isInTexts, ' OR ')} ELSE ${position}(u.search_text, ${folded}) > 0 END`;
}
