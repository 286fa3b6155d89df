import { toStorable } from '../db/columns.ts';
import type { Limits } from '../limits.ts';
import type { EventDraft } from '../log/event.ts';
import { checkEvent, type EventProblem } from '../log/record/check-event.ts';

/** Fields that a draft can do without: what the log does not take of them gives way to an object that says why. */
const besides = new Map<keyof EventDraft, 'metadata' | 'extra'>([
  ['metadata', 'metadata'],
  ['extra', 'extra'],
  ['scope', 'extra'],
  ['windowStart', 'extra'],
  ['windowEnd', 'extra'],
]);

/**
 * The draft as the log can take it, and the problem that still keeps the log from taking it, if there is one. Texts that
 * are too long are cut, with `…` at their end; characters that no database takes become U+FFFD; metadata and unknown keys
 * that the log does not take are left out, and so are a scope and a window. How a run ended must not be lost for what was
 * said beside it.
 */
export function fitDraft<T extends EventDraft>(
  draft: T,
  limits: Limits,
): { draft: T; problem?: EventProblem | undefined } {
  const fitting = {
    ...draft,
    message: cut(draft.message, limits.messageLength),
    error: cut(draft.error, limits.errorLength),
  };
  const fields: Partial<Record<keyof EventDraft, unknown>> = {};
  const notes: Record<'metadata' | 'extra', Record<string, string>> = { metadata: {}, extra: {} };
  const problems = checkEvent(fitting, limits);
  for (const { field, message } of problems) {
    const place = besides.get(field);
    if (place === undefined) continue;
    notes[place][`${field}_left_out`] = message;
    fields[field] = null;
    fields[place] = notes[place];
  }
  return { draft: { ...fitting, ...fields }, problem: problems.find(({ field }) => !besides.has(field)) };
}

/** Never between the halves of a surrogate pair. */
function cut(text: string | null | undefined, length: number): string | null | undefined {
  if (text == null) return text;
  const storable = toStorable(text, text.length);
  if (storable.length <= length) return storable;
  return `${storable.slice(0, length - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}
