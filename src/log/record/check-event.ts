import type { Json } from '../../lib/json.ts';
import { whyNotKept } from '../../lib/parse-json.ts';
import type { Limits } from '../../limits.ts';
import type { EventDraft, StatedReason } from '../event.ts';

/** What is wrong with one field of an event. */
export interface EventProblem {
  readonly field: keyof EventDraft;
  /** Reads on after the field's name: "must be …". */
  readonly message: string;
}

/**
 * Checks a draft against the rules that every event of the log keeps, whatever door it came through: bounds of
 * `limits.ts`, text that every database can hold (no NUL, no lone surrogate), counts and fractions in range.
 * Whether the words of source, stage and status are known is the business of the door: a bridge may pass new ones.
 */
export function checkEvent(draft: EventDraft, limits: Limits): EventProblem[] {
  const problems: EventProblem[] = [];
  say(problems, 'runId', checkText(draft.runId, 1, limits.runIdLength));
  say(problems, 'provider', checkText(draft.provider, 1, limits.providerLength));
  say(problems, 'source', checkText(draft.source, 1, limits.providerLength));
  say(problems, 'stage', checkText(draft.stage, 1, limits.providerLength));
  say(problems, 'status', checkText(draft.status, 1, limits.providerLength));
  say(problems, 'scope', checkText(draft.scope, 1, limits.providerLength));
  say(problems, 'message', checkText(draft.message, 0, limits.messageLength));
  say(problems, 'error', checkText(draft.error, 0, limits.errorLength));
  if (draft.progress != null && !(draft.progress >= 0 && draft.progress <= 1))
    say(problems, 'progress', 'must be a number from 0 to 1');
  say(problems, 'itemsProcessed', checkCount(draft.itemsProcessed, limits));
  say(problems, 'itemsTotal', checkCount(draft.itemsTotal, limits));
  say(problems, 'windowStart', checkTime(draft.windowStart, limits));
  say(problems, 'windowEnd', checkTime(draft.windowEnd, limits));
  say(problems, 'startedAt', checkTime(draft.startedAt, limits));
  say(problems, 'endedAt', checkTime(draft.endedAt, limits));
  say(problems, 'timestamp', checkTime(draft.timestamp, limits));
  if (draft.metadata != null) say(problems, 'metadata', checkMetadata(draft.metadata, limits));
  if (draft.extra != null) say(problems, 'extra', checkMetadata(draft.extra, limits));
  if (draft.reason != null) say(problems, 'reason', checkReason(draft.reason, limits));
  return problems;
}

function checkReason(reason: StatedReason, limits: Limits): string | undefined {
  const parts = {
    class: checkText(reason.class, 1, limits.providerLength),
    actor: checkText(reason.actor, 1, limits.providerLength),
    text: checkText(reason.text, 0, limits.errorLength),
  };
  const wrong = Object.entries(parts).find(([, problem]) => problem);
  return wrong?.join(' ');
}

function say(problems: EventProblem[], field: keyof EventDraft, message: string | undefined): void {
  if (message) problems.push({ field, message });
}

function checkText(text: string | null | undefined, min: number, max: number): string | undefined {
  if (text == null) return undefined;
  if (text.length < min) return 'must not be empty';
  if (text.length > max) return `must have at most ${max} characters, it has ${text.length}`;
  return checkCharacters(text);
}

function checkCharacters(text: string): string | undefined {
  if (text.includes('\0')) return 'must not contain a NUL character';
  if (!text.isWellFormed()) return 'must be well-formed Unicode: it contains a lone surrogate';
  return undefined;
}

function checkCount(count: number | null | undefined, { itemCount }: Limits): string | undefined {
  if (count == null || (Number.isInteger(count) && count >= 0 && count <= itemCount)) return undefined;
  return `must be a whole number from 0 to ${itemCount}`;
}

function checkTime(time: Date | null | undefined, limits: Limits): string | undefined {
  if (time == null) return undefined;
  const { earliest, latest } = timeBoundsOf(limits);
  const ms = time.getTime();
  return ms >= earliest && ms < latest
    ? undefined
    : `must be from ${limits.earliestTime} to before ${limits.latestTime}`;
}

interface TimeBounds {
  /** Milliseconds since 1970. */
  readonly earliest: number;
  readonly latest: number;
}

/** Parsed once. */
const timeBounds = new WeakMap<Limits, TimeBounds>();

function timeBoundsOf(limits: Limits): TimeBounds {
  const known = timeBounds.get(limits);
  if (known) return known;
  const bounds = { earliest: Date.parse(limits.earliestTime), latest: Date.parse(limits.latestTime) };
  timeBounds.set(limits, bounds);
  return bounds;
}

/** Walks without recursion, so that no depth of nesting can exhaust the stack; the size is measured only then. */
function checkMetadata(metadata: Json, limits: Limits): string | undefined {
  const open: { value: unknown; depth: number }[] = [{ value: metadata, depth: 1 }];
  for (let entry = open.pop(); entry; entry = open.pop()) {
    const { value, depth } = entry;
    if (typeof value === 'string') {
      const problem = checkCharacters(value);
      if (problem) return problem;
    } else if (typeof value === 'number' && !Number.isFinite(value)) {
      return 'must hold finite numbers only';
    } else if (typeof value === 'symbol') {
      return `must be kept as it is, but ${whyNotKept(value)}`;
    } else if (typeof value === 'object' && value !== null) {
      if (depth > limits.metadataDepth) return `must be nested at most ${limits.metadataDepth} deep`;
      for (const [key, child] of Object.entries(value)) {
        const problem = checkCharacters(key);
        if (problem) return problem;
        open.push({ value: child, depth: depth + 1 });
      }
    }
  }
  const bytes = Buffer.byteLength(JSON.stringify(metadata));
  return bytes > limits.metadataBytes
    ? `must take at most ${limits.metadataBytes} bytes as JSON, it takes ${bytes}`
    : undefined;
}
