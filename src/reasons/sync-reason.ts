import { isObject } from '../lib/json.ts';
import { wordOf } from '../log/words.ts';
import { goodWords, type Judgement, type Rule, reasonClasses, reasonRules } from './reason-rules.ts';

/** Why a sync did not succeed, with what told it. */
export interface SyncReason<Event = null> extends Judgement {
  /** What the producer says in its own words; null where it says no more than that the sync has failed. */
  readonly text: string | null;
  /** The event that says so; null where no event of the log does. */
  readonly event: Event;
}

/** What is looked at of an event. */
interface ToldEvent {
  readonly stage: string;
  readonly status: string;
  readonly error: string | null;
  readonly metadata: unknown;
}

/** A rule, and what was recognized by it. */
interface Found {
  readonly rule: Rule;
  readonly text: string;
}

/** Where no rule says more. */
const unknown: Judgement = { class: 'OTHER', retryable: false, actor: 'OPERATOR' };

/** What says by itself that a sync did not do all that it had to. */
const failures: readonly string[] = ['failed', 'partial', 'unfinished', 'stale'];

/** What stands behind these has not happened. */
const DENIED = '(?<!\\b(?:0|no|not|never|without|zero) )';

const byWord = new Map(reasonRules.flatMap((rule) => (rule.words ?? []).map((word) => [word, rule])));
const byStatus = new Map(reasonRules.flatMap((rule) => (rule.statuses ?? []).map((status) => [status, rule])));
const byPattern = reasonRules.flatMap((rule) => {
  const pattern = patternOf(rule);
  return pattern ? [{ rule, pattern }] : [];
});

/**
 * What an event says about why its sync did not succeed, or null when it says nothing of the kind. A code of the producer
 * counts before its error, this before the errors of the sync's parts, and a bare status comes last; `OTHER` counts only
 * where none of these says more.
 */
export function reasonOf<Event extends ToldEvent>(event: Event): SyncReason<Event> | null {
  const metadata = isObject(event.metadata) ? event.metadata : {};
  const errors = [event.error, metadata.error].filter(isText);
  if (!saysFailure(event) && (errors.length === 0 || wordOf(event.status) === 'success')) return null;
  const parts = partErrors(metadata.params);
  const found = [
    ...[metadata.error_code, metadata.reason].flatMap(foundInCode),
    ...errors.flatMap(foundInText),
    ...parts.flatMap(foundInText).sort((a, b) => weightOf(a) - weightOf(b)),
    ...[metadata.status_code].flatMap(foundInCode),
  ];
  const best = found.find(({ rule }) => rule.class !== 'OTHER') ?? found[0];
  const inWords = [...errors, ...parts];
  const text = best && inWords.includes(best.text) ? best.text : (inWords[0] ?? best?.text ?? null);
  return { ...judgementOf(best?.rule ?? unknown), text, event };
}

/**
 * What a word says that is told outside of the log: why a connection was revoked, or what has become of one. Null when all
 * is well.
 */
export function reasonOfWord(word: string): SyncReason | null {
  if (goodWords.has(codeOf(word))) return null;
  const [found] = foundInCode(word);
  return { ...judgementOf(found?.rule ?? unknown), text: word, event: null };
}

function saysFailure({ stage, status }: ToldEvent): boolean {
  return failures.includes(wordOf(status)) || wordOf(stage) === 'failed';
}

function judgementOf({ class: reasonClass, retryable, actor }: Judgement): Judgement {
  return { class: reasonClass, retryable, actor };
}

function weightOf({ rule }: Found): number {
  return reasonClasses.indexOf(rule.class);
}

function foundInText(text: string): Found[] {
  const rule =
    byStatus.get(statusIn(text)) ??
    byPattern.find(({ pattern }) => pattern.test(text))?.rule ??
    byWord.get(codeOf(text));
  return rule ? [{ rule, text }] : [];
}

/** What a word says, or a status as a number or as a text. */
function foundInCode(code: unknown): Found[] {
  if (typeof code !== 'number' && typeof code !== 'string') return [];
  const text = String(code);
  const rule = /^\d{3}$/.test(text) ? byStatus.get(Number(text)) : byWord.get(codeOf(text));
  return rule ? [{ rule, text }] : [];
}

/** Producers write `PROVIDER_UNAVAILABLE` and `provider-unavailable`, too. */
function codeOf(text: string): string {
  return wordOf(text.trim()).replaceAll(/[\s-]+/g, '_');
}

/** The errors of what a sync is made of: `params.workouts.error` and the like. */
function partErrors(params: unknown): string[] {
  const parts: unknown[] = isObject(params) ? Object.values(params) : [];
  return parts.map((part) => (isObject(part) ? part.error : undefined)).filter(isText);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}

/** Where a text says what a rule knows. Words of one part, such as `failure`, are too common to be looked for in a text. */
function patternOf({ phrases = [], words = [] }: Rule): RegExp | undefined {
  const parts = [...phrases, ...words.filter((word) => word.includes('_'))];
  return parts.length === 0 ? undefined : new RegExp(`${DENIED}(?<!\\w)(?:${parts.join('|')})(?!\\w)`, 'i');
}

const IN_WORDS =
  '(?:unauthori[sz]ed|forbidden|request time-?out|too many requests|bad gateway|service unavailable|gateway time-?out)\\b';
/** What follows a number that is a status: nothing, a mark within a sentence, the status in words, or where it came from. */
const AFTER = `(?=\\s*$|[:;,.)\\]'"](?!\\w)|\\s+(?:-\\s|\\(|for\\s|from\\s|${IN_WORDS}))`;

/** Three digits are a status of HTTP only where that is said: they begin the text, or HTTP is named. */
const statuses = [
  `^\\s*(\\d{3})(?=\\s*$|:\\s|\\s+(?:-\\s|${IN_WORDS}))`,
  `\\bHTTP(?:Exception|Error|StatusError|/\\d(?:\\.\\d)?)?(?: error)?(?: status)?(?: code)?\\s{0,2}[:=(]?\\s{0,2}(\\d{3})${AFTER}`,
  `\\b(?:status(?:[ _]code)?|error[ _]code)\\s{0,2}[:=]?\\s{0,2}(\\d{3})${AFTER}`,
  `\\b(?:client|server) error '(\\d{3})\\b`,
  `(?<![\\w.,:/#-])(\\d{3}) ${IN_WORDS}`,
].map((pattern) => new RegExp(pattern, 'i'));

/** The status of HTTP that a text tells; NaN when it tells none. */
function statusIn(text: string): number {
  for (const pattern of statuses) {
    const status = pattern.exec(text)?.[1];
    if (status !== undefined) return Number(status);
  }
  return Number.NaN;
}
