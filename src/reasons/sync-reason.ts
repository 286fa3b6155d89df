import { isObject } from '../lib/json.ts';
import { errorsOf, isText, saysTrouble, type ToldOutcome } from '../log/says-trouble.ts';
import { wordOf } from '../log/words.ts';
import {
  goodWords,
  type Judgement,
  judgementOfClass,
  type Rule,
  reasonActors,
  reasonClasses,
  reasonRules,
} from './reason-rules.ts';

/** Why a sync did not succeed, with what told it. */
export interface SyncReason<Event = null> extends Judgement {
  /** What the producer says in its own words; null where it says no more than that the sync has failed. */
  readonly text: string | null;
  /** The event that says so; null where no event of the log does. */
  readonly event: Event;
}

/** Characters at each end of a text that the rules are held against. */
const LOOKED_AT = 512;
/** Parts of a sync whose errors are read. */
const MOST_PARTS = 30;
/** Characters at each end of one of these. */
const LOOKED_AT_OF_PART = 64;

/** A rule, and what was recognized by it. */
interface Found {
  readonly rule: Rule;
  readonly text: string;
}

/** What stands behind these has not happened. */
const DENIED = '(?<!\\b(?:0|no|not|never|without|zero) )';

const byWord = new Map(reasonRules.flatMap((rule) => (rule.words ?? []).map((word) => [word, rule])));
const byStatus = new Map(reasonRules.flatMap((rule) => (rule.statuses ?? []).map((status) => [status, rule])));
const byPattern = reasonRules.flatMap((rule) => {
  const pattern = patternOf(rule);
  return pattern ? [{ rule, pattern }] : [];
});

/** A query may ask for the reason of an event under many names, one after the other. */
let lastFound: { readonly event: ToldOutcome; readonly found: Omit<SyncReason, 'event'> } | undefined;

/**
 * Why the sync of an event did not succeed, or null when the event says nothing of the kind. What its producer states counts
 * more than what the rules find in the rest.
 */
export function reasonOf<Event extends ToldOutcome>(event: Event): SyncReason<Event> | null {
  if (!saysTrouble(event)) return null;
  const found = event === lastFound?.event ? lastFound.found : foundReason(event);
  lastFound = { event, found };
  const { reason: stated } = event;
  if (!isObject(stated)) return { ...found, event };
  return { ...statedJudgement(stated), text: isText(stated.text) ? stated.text : found.text, event };
}

/**
 * What the rules find in an event that says that something went wrong. A code of the producer
 * counts before its error, this before the errors of the sync's parts, and a bare status comes last; `OTHER` counts only
 * where none of these says more.
 */
function foundReason(event: ToldOutcome): Omit<SyncReason, 'event'> {
  const metadata = isObject(event.metadata) ? event.metadata : {};
  const errors = errorsOf(event);
  const parts = partErrors(metadata.params).slice(0, MOST_PARTS);
  const found = [
    ...[metadata.error_code, metadata.reason].flatMap(foundInCode),
    ...errors.flatMap((text) => foundInText(text, LOOKED_AT)),
    ...parts.flatMap((text) => foundInText(text, LOOKED_AT_OF_PART)).sort((a, b) => weightOf(a) - weightOf(b)),
    ...[metadata.status_code].flatMap(foundInCode),
  ];
  const best = found.find(({ rule }) => rule.class !== 'OTHER') ?? found[0];
  const inWords = [...errors, ...partErrors(metadata.params)];
  const text = best && inWords.includes(best.text) ? best.text : (inWords[0] ?? best?.text ?? null);
  return { ...judgementOf(best?.rule ?? judgementOfClass.OTHER), text };
}

/** What the error of a sync says, of which nothing else is known but that it did not succeed. */
export function reasonOfFailure(error: string | null): SyncReason {
  return { ...foundReason({ stage: '', status: '', error, metadata: {} }), event: null };
}

/**
 * What a word says that is told outside of the log: why a connection was revoked, or what has become of one. Null when all
 * is well.
 */
export function reasonOfWord(word: string): SyncReason | null {
  if (goodWords.has(codeOf(word))) return null;
  const [found] = foundInCode(word);
  return { ...judgementOf(found?.rule ?? judgementOfClass.OTHER), text: word, event: null };
}

/** A word that this server does not know may be one of a later release. */
function statedJudgement(stated: Readonly<Record<string, unknown>>): Judgement {
  const { retryable, actor, ...usual } =
    judgementOfClass[reasonClasses.find((known) => known === stated.class) ?? 'OTHER'];
  return {
    ...usual,
    retryable: typeof stated.retryable === 'boolean' ? stated.retryable : retryable,
    actor: reasonActors.find((known) => known === stated.actor) ?? actor,
  };
}

function judgementOf({ class: reasonClass, retryable, actor }: Judgement): Judgement {
  return { class: reasonClass, retryable, actor };
}

function weightOf({ rule }: Found): number {
  return reasonClasses.indexOf(rule.class);
}

function foundInText(text: string, ends: number): Found[] {
  const told = endsOf(text, ends);
  const rule =
    byStatus.get(statusIn(told)) ??
    byPattern.find(({ pattern }) => pattern.test(told))?.rule ??
    byWord.get(codeOf(told));
  return rule ? [{ rule, text }] : [];
}

/**
 * A text says first or last what it is about: an error in one sentence, or a trace with its error at the end. The rules are
 * held against these, as a text may be long, and is looked at for each answer that has its reason.
 */
function endsOf(text: string, length: number): string {
  return text.length <= 2 * length ? text : `${text.slice(0, length)}\n${text.slice(-length)}`;
}

/** What a word says, or a status as a number or as a text. */
function foundInCode(code: unknown): Found[] {
  if (typeof code !== 'number' && typeof code !== 'string') return [];
  const text = String(code);
  const rule = /^\d{3}$/.test(text) ? byStatus.get(Number(text)) : byWord.get(codeOf(text));
  return rule ? [{ rule, text }] : [];
}

/** Producers write `PROVIDER_UNAVAILABLE` and `provider-unavailable`, too. */
export function codeOf(text: string): string {
  return wordOf(text.trim()).replaceAll(/[\s-]+/g, '_');
}

/** The errors of what a sync is made of: `params.workouts.error` and the like. */
function partErrors(params: unknown): string[] {
  const parts: unknown[] = isObject(params) ? Object.values(params) : [];
  return parts.map((part) => (isObject(part) ? part.error : undefined)).filter(isText);
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
