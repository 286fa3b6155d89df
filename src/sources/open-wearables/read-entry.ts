import { z } from 'zod';
import { isUuid } from '../../db/uuid.ts';
import type { EventDraft, Json } from '../../events/event.ts';
import { checkEvent } from '../../events/record/check-event.ts';
import type { UnreadableEntry } from '../../intake/quarantine.ts';
import type { Limits } from '../../limits.ts';

/** A text as it was found, and where. */
export interface Entry {
  readonly text: string;
  readonly place: string;
}

/** An entry that is an event. */
export interface ReadableEntry extends Entry {
  readonly draft: EventDraft;
}

const uuid = z
  .string()
  .refine(isUuid, 'must be a UUID')
  .transform((text) => text.toLowerCase());

const time = z.string().transform((text, context) => {
  const parsed = parseTime(text);
  if (parsed) return parsed;
  context.addIssue({ code: 'custom', message: 'must be a date-time' });
  return z.NEVER;
});

const object = z.custom<{ readonly [key: string]: Json }>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'must be an object',
);

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
  .transform(
    (event): EventDraft => ({
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
    }),
  );

/** Reads an entry of Open Wearables' lists and channels: an event that the log can take, or why it is none. */
export function readEntry(entry: Entry, limits: Limits): ReadableEntry | UnreadableEntry {
  let json: unknown;
  try {
    json = JSON.parse(entry.text);
  } catch {
    return { ...entry, reason: 'not_json', detail: 'is not JSON' };
  }
  const { data: draft, error } = wireEvent.safeParse(json);
  if (!draft) {
    const [issue] = error.issues;
    return { ...entry, reason: 'bad_event', detail: `${issue?.path.join('.') || 'it'}: ${issue?.message}` };
  }
  const [problem] = checkEvent(draft, limits);
  if (problem) return { ...entry, reason: 'bad_event', detail: `${problem.field}: ${problem.message}` };
  return { ...entry, draft };
}

/** The id in an entry, if it is an event's. */
export function eventIdIn(text: string): string | undefined {
  try {
    return uuid.safeParse(JSON.parse(text)?.event_id).data;
  } catch {
    return undefined;
  }
}

const dateTime = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d+))? ?(Z|[+-]\d\d:?\d\d)?$/i;

/** As Python writes them, and anything close: cut to the millisecond; without a time zone it is UTC. */
function parseTime(text: string): Date | undefined {
  const [, day, clock, fraction = '', zone = 'Z'] = dateTime.exec(text.trim()) ?? [];
  if (day === undefined || !isDay(day)) return undefined;
  const parsed = new Date(`${day}T${clock}.${fraction.slice(0, 3).padEnd(3, '0')}${withColon(zone)}`);
  return Number.isNaN(parsed.getTime()) ? undefined : parsed;
}

/** JavaScript takes 30 February for 2 March. */
function isDay(day: string): boolean {
  const midnight = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day);
}

const withColon = (zone: string) => zone.toUpperCase().replace(/^([+-]\d\d)(\d\d)$/, '$1:$2');
