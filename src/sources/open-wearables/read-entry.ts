import { z } from 'zod';
import { parseJson } from '../../lib/parse-json.ts';
import type { Limits } from '../../limits.ts';
import type { EventDraft } from '../../log/event.ts';
import { fitDraft } from '../fit-draft.ts';
import type { UnreadableEntry } from '../quarantine.ts';
import type { Entry, ReadableEntry } from '../record-entries.ts';
import { object, sayIssue, time, uuid } from './payload-values.ts';

/**
 * An event on Open Wearables' wire, read tolerantly: words may be new ones, and what can be null may be missing. Keys
 * that its contract does not have (newer releases send `scope`, `requested_start` and more) are left aside, as REST
 * shows events in exactly that shape.
 */
const wireEvent = z
  .object({
    event_id: uuid,
    run_id: z.string(),
    user_id: uuid,
    provider: z.string(),
    source: z.string(),
    stage: z.string(),
    status: z.string(),
    message: z.string().nullish(),
    progress: z.number().nullish(),
    items_processed: z.number().nullish(),
    items_total: z.number().nullish(),
    error: z.string().nullish(),
    primary_user_id: uuid.nullish(),
    metadata: object.nullish(),
    started_at: time.nullish(),
    ended_at: time.nullish(),
    timestamp: time.nullish(),
  })
  .transform((event): EventDraft & { readonly id: string } => ({
    id: event.event_id,
    userId: event.user_id,
    runId: event.run_id,
    provider: event.provider,
    source: event.source,
    stage: event.stage,
    status: event.status,
    message: event.message,
    progress: event.progress,
    itemsProcessed: event.items_processed,
    itemsTotal: event.items_total,
    error: event.error,
    primaryUserId: event.primary_user_id,
    metadata: event.metadata,
    startedAt: event.started_at,
    endedAt: event.ended_at,
    // Without any time it gets the one of its arrival, and agrees with itself when it comes again.
    timestamp: event.timestamp ?? event.ended_at ?? event.started_at,
  }));

/**
 * Reads an entry of Open Wearables' lists and channels: an event that the log can take, cut to its bounds where that
 * is possible, or why it is none.
 */
export function readEntry(entry: Entry, limits: Limits): ReadableEntry | UnreadableEntry {
  let json: unknown;
  try {
    json = parseJson(entry.text);
  } catch {
    return { ...entry, reason: 'not_json', detail: 'is not JSON' };
  }
  const { data, error } = wireEvent.safeParse(json, { reportInput: true });
  if (!data) {
    const [issue] = error.issues;
    return { ...entry, reason: 'bad_event', detail: `${issue?.path.join('.') || 'it'}: ${issue && sayIssue(issue)}` };
  }
  const { draft, problem } = fitDraft(data, limits);
  if (problem) return { ...entry, reason: 'bad_event', detail: `${problem.field}: ${problem.message}` };
  return { ...entry, draft };
}

const outline = z.object({
  event_id: uuid.optional().catch(undefined),
  user_id: uuid.optional().catch(undefined),
  timestamp: time.optional().catch(undefined),
});

/** What of an entry tells where it belongs, as far as it says that. */
export function outlineOf(text: string): {
  eventId?: string | undefined;
  userId?: string | undefined;
  time?: Date | undefined;
} {
  try {
    const { event_id: eventId, user_id: userId, timestamp } = outline.parse(JSON.parse(text));
    return { eventId, userId, time: timestamp };
  } catch {
    return {};
  }
}
