import { z } from 'zod';
import type { Json } from '../../lib/json.ts';
import { parseJson } from '../../lib/parse-json.ts';
import type { Limits } from '../../limits.ts';
import type { EventDraft } from '../../log/event.ts';
import { fitDraft } from '../fit-draft.ts';
import type { UnreadableEntry } from '../quarantine.ts';
import type { Entry, ReadableEntry } from '../record-entries.ts';
import { object, sayIssue, time, unknownOf, uuid } from './payload-values.ts';

/**
 * An event on Open Wearables' wire, read tolerantly: words may be new ones, and what can be null may be missing, as older
 * releases do not know all keys. Keys that nobody knows yet are kept beside the others.
 */
const wireFields = z.looseObject({
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
});

const wireEvent = wireFields.transform((event): EventDraft & { readonly id: string } => ({
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
  ...readAdded(unknownOf(event, wireFields)),
  startedAt: event.started_at,
  endedAt: event.ended_at,
  // Without any time it gets the one of its arrival, and agrees with itself when it comes again.
  timestamp: event.timestamp ?? event.ended_at ?? event.started_at,
}));

/** Keys that not every release knows. A value that cannot be read stays with those that nobody knows. */
const addedFields = {
  scope: z.string(),
  window_start: time,
  window_end: time,
  requested_start: time, // what the first release that had windows called them
  requested_end: time,
};

export function readAdded(unknown: Readonly<Record<string, Json>>) {
  const read: { [Key in keyof typeof addedFields]?: z.infer<(typeof addedFields)[Key]> } = {};
  const extra = { ...unknown };
  for (const [key, schema] of Object.entries(addedFields)) {
    const { data } = schema.safeParse(extra[key]);
    if (data === undefined && extra[key] != null) continue;
    Object.assign(read, { [key]: data });
    delete extra[key];
  }
  return {
    scope: read.scope,
    windowStart: read.window_start ?? read.requested_start,
    windowEnd: read.window_end ?? read.requested_end,
    extra: Object.keys(extra).length > 0 ? extra : undefined,
  };
}

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
