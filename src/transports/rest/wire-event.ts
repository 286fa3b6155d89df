import { isObject } from '../../lib/json.ts';
import { whyNotKept } from '../../lib/parse-json.ts';
import type { EventDraft } from '../../log/event.ts';
import { scopeWords, sourceWords, stageWords, statusWords } from '../../log/words.ts';
import { type Selected, type WireField, writeObject } from './wire-fields.ts';
import { count, fraction, object, text, time, uuid, word } from './wire-values.ts';

interface EventField extends WireField {
  /** The field of `SyncEventInput` that it goes into. */
  readonly input: keyof EventDraft;
  readonly required?: true;
  /** What the first producers of the field called it. */
  readonly formerName?: string;
}

/** An event on the wire, in the order of its fields. */
export const wireEventFields: readonly EventField[] = [
  { name: 'event_id', input: 'id', shows: 'id', value: uuid },
  { name: 'run_id', input: 'runId', shows: 'runId', value: text, required: true },
  { name: 'user_id', input: 'userId', shows: 'userId', value: uuid },
  { name: 'provider', input: 'provider', shows: 'provider', value: text, required: true },
  { name: 'source', input: 'source', shows: 'sourceRaw', value: word(sourceWords), required: true },
  { name: 'scope', input: 'scope', shows: 'scopeRaw', value: word(scopeWords), added: true },
  { name: 'stage', input: 'stage', shows: 'stageRaw', value: word(stageWords), required: true },
  { name: 'status', input: 'status', shows: 'statusRaw', value: word(statusWords), required: true },
  { name: 'message', input: 'message', shows: 'message', value: text },
  { name: 'progress', input: 'progress', shows: 'progress', value: fraction },
  { name: 'items_processed', input: 'itemsProcessed', shows: 'itemsProcessed', value: count },
  { name: 'items_total', input: 'itemsTotal', shows: 'itemsTotal', value: count },
  { name: 'error', input: 'error', shows: 'error', value: text },
  { name: 'primary_user_id', input: 'primaryUserId', shows: 'primaryUserId', value: uuid },
  { name: 'metadata', input: 'metadata', shows: 'metadata', value: object },
  {
    ...{ name: 'window_start', formerName: 'requested_start', input: 'windowStart', shows: 'windowStart' },
    ...{ value: time, added: true },
  },
  {
    ...{ name: 'window_end', formerName: 'requested_end', input: 'windowEnd', shows: 'windowEnd' },
    ...{ value: time, added: true },
  },
  { name: 'started_at', input: 'startedAt', shows: 'startedAt', value: time },
  { name: 'ended_at', input: 'endedAt', shows: 'endedAt', value: time },
  { name: 'timestamp', input: 'timestamp', shows: 'timestamp', value: time },
];

const names: ReadonlySet<string> = new Set(
  wireEventFields.flatMap(({ name, formerName = name }) => [name, formerName]),
);

const addedFields = wireEventFields.filter(({ added }) => added);
const firstFields = wireEventFields.filter(({ added }) => !added);

/** A field that no input has, for what is wrong with an event as a whole. */
const NO_FIELD = '';

/** Unknown fields that an error names, and how much of each name it shows. */
const NAMED_FIELDS = 5;
const SHOWN_NAME_LENGTH = 50;

/**
 * Reads an event of a request into a `SyncEventInput`; null counts as left out. In the place of what cannot be read there is
 * a symbol that says why, as `parseJson` makes them: the mutation takes none, and lists it with whatever else is wrong.
 */
export function readEvent(event: unknown, userId: string): Record<string, unknown> | symbol {
  if (!isObject(event)) return Symbol(whyNotKept(event) ?? 'must be an object');
  const unknown = Object.keys(event).filter((name) => !names.has(name));
  const input: Record<string, unknown> = { userId };
  if (unknown.length > 0) input[NO_FIELD] = Symbol(`unknown fields ${listNames(unknown)}`);
  for (const { name, formerName = name, input: target, value, required } of wireEventFields) {
    const given = event[name] ?? event[formerName] ?? null;
    if (given === null && required) input[target] = Symbol('is required');
    if (given === null) continue;
    const read = value.read(given);
    const isOther = target === 'userId' && read !== undefined && read !== userId;
    if (isOther) input[target] = Symbol('must be the user in the path');
    else input[target] = read ?? Symbol(whyNotKept(given) ?? `must be ${value.mustBe}`);
  }
  return input;
}

/**
 * JSON text of an event: 17 fields where its producer knew no others, or told none of them; else all 20, as Open Wearables
 * writes them since it knows scopes. To it, no scope is `live`.
 */
export function writeEvent(event: Selected): string {
  const isFull = addedFields.some(({ name }) => event[name] != null);
  return isFull
    ? writeObject(wireEventFields, { ...event, scope: event.scope ?? 'live' })
    : writeObject(firstFields, event);
}

/** What is wrong with a field of an event, by their names on the wire. */
export function problemAt(where: string, name: string, message: string): string {
  const place = [where, name].filter(Boolean).join('.');
  return place === '' ? message : `${place}: ${message}`;
}

/** The wire's name for a field of `SyncEventInput`. */
export function wireNameOf(input: string): string {
  return wireEventFields.find((field) => field.input === input)?.name ?? input;
}

function listNames(unknown: readonly string[]): string {
  const shown = unknown.slice(0, NAMED_FIELDS).map((name) => name.slice(0, SHOWN_NAME_LENGTH));
  return shown.join(', ') + (unknown.length > NAMED_FIELDS ? ' and more' : '');
}
