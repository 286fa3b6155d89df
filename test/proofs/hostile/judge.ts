import type { Answer } from './send.ts';

/** A text that no client may be sent, and what it is. */
export interface Secret {
  readonly name: string;
  readonly text: string;
}

/** What stands in an answer to an error of ours; metrics count them under another form of the name. */
const masked = '"code":"INTERNAL_SERVER_ERROR"';

/** What only the inside of a server looks like. Scripts and pages of ours may have such words. */
const internals: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['a stack frame', /\n\s+at \S.*:\d+:\d+/],
  ['a path of a file', /file:\/\/\/|node_modules|\/(home|tmp|usr|opt|var)\/[\w.-]+/],
  ['a statement', /\b(SELECT\b.*\bFROM\b|INSERT INTO|DELETE FROM|UPDATE\b.*\bSET)\b/],
  ['the name of the database layer', /prisma|libsql|SQLITE_[A-Z]+|\bSQLSTATE\b|constraint failed/i],
  ['an error of the system', /\bE(CONN[A-Z]+|NOENT|ACCES|PIPE|MFILE|NOSPC)\b/],
  [
    'an exception of JavaScript',
    /\b(Type|Reference|Range|Syntax)Error\b|Cannot read propert|is not a function|is not iterable/,
  ],
];

/** What is wrong with an answer; nothing when it is as it should be. */
export function problemsOf(answer: Answer, sent: string, secrets: readonly Secret[]): string[] {
  const { status, text, hung, gone, ms } = answer;
  if (gone) return ['the server is gone'];
  if (hung) return [`no answer within ${Math.round(ms)} ms`];
  const problems: string[] = [];
  if (status === 500 || status === 1011 || status === 4500) problems.push(`answered with ${status}`);
  if (text.includes(masked) && !sent.includes(masked)) problems.push('answered with INTERNAL_SERVER_ERROR');
  return [...problems, ...leaksIn(answer, sent, secrets).map((leak) => `shows ${leak}`)];
}

/** What of the server's inside a client was sent, but for what it had sent itself. */
export function leaksIn(
  { text, type }: Pick<Answer, 'text' | 'type'>,
  sent: string,
  secrets: readonly Secret[],
): string[] {
  const found = secrets.filter((secret) => text.includes(secret.text) && !sent.includes(secret.text));
  const leaks = found.map(({ name }) => name);
  if (/javascript|css|html|image|font/.test(type)) return leaks;
  for (const [name, pattern] of internals) {
    const [shown] = pattern.exec(text) ?? [];
    if (shown !== undefined && !sent.includes(shown.trim())) leaks.push(`${name} (${shown.trim().slice(0, 80)})`);
  }
  return leaks;
}
