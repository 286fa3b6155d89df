import { toStorable } from '../db/columns.ts';
import type { Limits } from '../limits.ts';
import type { EventDraft } from '../log/event.ts';
import { checkEvent, type EventProblem } from '../log/record/check-event.ts';

/**
 * The draft as the log can take it, and the problem that still keeps the log from taking it, if there is one. Texts that
 * are too long are cut, with `…` at their end; characters that no database takes become U+FFFD; metadata that the log
 * does not take gives way to an object that says why. How a run ended must not be lost for what was said beside it.
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
  const problems = checkEvent(fitting, limits);
  const left = problems.find(({ field }) => field === 'metadata');
  return {
    draft: left ? { ...fitting, metadata: { metadata_left_out: left.message } } : fitting,
    problem: problems.find(({ field }) => field !== 'metadata'),
  };
}

/** Never between the halves of a surrogate pair. */
function cut(text: string | null | undefined, length: number): string | null | undefined {
  if (text == null) return text;
  const storable = toStorable(text, text.length);
  if (storable.length <= length) return storable;
  return `${storable.slice(0, length - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}
