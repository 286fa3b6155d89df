import { HTTPException } from 'hono/http-exception';
import type { EventDraft } from '../../events/event.ts';
import { sourceWords, stageWords, statusWords } from '../../events/words.ts';
import { count, fraction, isObject, object, text, time, uuid, type WireValue, word } from './wire-values.ts';

interface WireField {
  /** Name on the wire. */
  readonly name: string;
  /** The field of `SyncEventInput` that it goes into. */
  readonly input: keyof EventDraft;
  /** The field of `SyncEvent` that it shows, if that has another name. */
  readonly shows?: string;
  readonly value: WireValue;
  readonly required?: true;
}

/** An event on the wire, in the order of its fields. */
const fields: readonly WireField[] = [
  { name: 'event_id', input: 'id', value: uuid },
  { name: 'run_id', input: 'runId', value: text, required: true },
  { name: 'user_id', input: 'userId', value: uuid },
  { name: 'provider', input: 'provider', value: text, required: true },
  { name: 'source', input: 'source', shows: 'sourceRaw', value: word(sourceWords), required: true },
  { name: 'stage', input: 'stage', shows: 'stageRaw', value: word(stageWords), required: true },
  { name: 'status', input: 'status', shows: 'statusRaw', value: word(statusWords), required: true },
  { name: 'message', input: 'message', value: text },
  { name: 'progress', input: 'progress', value: fraction },
  { name: 'items_processed', input: 'itemsProcessed', value: count },
  { name: 'items_total', input: 'itemsTotal', value: count },
  { name: 'error', input: 'error', value: text },
  { name: 'primary_user_id', input: 'primaryUserId', value: uuid },
  { name: 'metadata', input: 'metadata', value: object },
  { name: 'started_at', input: 'startedAt', value: time },
  { name: 'ended_at', input: 'endedAt', value: time },
  { name: 'timestamp', input: 'timestamp', value: time },
];

const names: ReadonlySet<string> = new Set(fields.map(({ name }) => name));

/** Unknown fields that an error names, and how much of each name it shows. */
const NAMED_FIELDS = 5;
const SHOWN_NAME_LENGTH = 50;

/** Selects an event's fields under their names on the wire. */
export const eventSelection: string = fields.map(({ name, input, shows }) => `${name}: ${shows ?? input}`).join(' ');

/** An event as {@link eventSelection} selects it. */
export type SelectedEvent = Readonly<Record<string, unknown>>;

/** JSON text of an event: always the same fields in the same order. */
export function writeEvent(event: SelectedEvent): string {
  const written = fields.map(({ name, value }) => {
    const selected = event[name] ?? null;
    return `"${name}":${selected === null ? 'null' : value.write(selected)}`;
  });
  return `{${written.join(',')}}`;
}

/**
 * Reads an event of a request into a `SyncEventInput`; null counts as left out. `where` says which event it is, empty
 * if there is but one. @throws HTTPException 400 that names the event and the field
 */
export function readEvent(event: unknown, userId: string, where: string): Record<string, unknown> {
  const refuse = (name: string, message: string) =>
    new HTTPException(400, { message: problemAt(where, name, message) });
  if (!isObject(event)) throw refuse('', 'must be an object');
  const unknown = Object.keys(event).filter((name) => !names.has(name));
  if (unknown.length > 0) throw refuse('', `unknown fields ${listNames(unknown)}`);

  const input: Record<string, unknown> = { userId };
  for (const { name, input: target, value, required } of fields) {
    const given = event[name] ?? null;
    if (given === null && required) throw refuse(name, 'is required');
    if (given === null) continue;
    const read = value.read(given);
    if (read === undefined) throw refuse(name, `must be ${value.mustBe}`);
    if (target === 'userId' && read !== userId) throw refuse(name, 'must be the user in the path');
    input[target] = read;
  }
  return input;
}

/** What is wrong with a field of an event, by their names on the wire. */
export function problemAt(where: string, name: string, message: string): string {
  const place = [where, name].filter(Boolean).join('.');
  return place === '' ? message : `${place}: ${message}`;
}

/** The wire's name for a field of `SyncEventInput`. */
export function wireNameOf(input: keyof EventDraft): string {
  return fields.find((field) => field.input === input)?.name ?? input;
}

function listNames(unknown: readonly string[]): string {
  const shown = unknown.slice(0, NAMED_FIELDS).map((name) => name.slice(0, SHOWN_NAME_LENGTH));
  return shown.join(', ') + (unknown.length > NAMED_FIELDS ? ' and more' : '');
}
