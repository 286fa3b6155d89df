import type { Json } from '../../lib/json.ts';
import { whyNotKept } from '../../lib/parse-json.ts';
import type { Limits } from '../../limits.ts';
import type { EventDraft } from '../event.ts';
import { checkDataTypes } from './check-data-types.ts';
import { checkCharacters, checkCount, checkReason, checkText, checkTime } from './check-values.ts';

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
  if (draft.dataTypes != null)
    for (const message of checkDataTypes(draft.dataTypes, limits)) say(problems, 'dataTypes', message);
  return problems;
}

function say(problems: EventProblem[], field: keyof EventDraft, message: string | undefined): void {
  if (message) problems.push({ field, message });
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
