import type { EventDraft } from '../event.ts';

/** What the rows of an event, a part of those of its run, and their indexes take beside texts, about. */
const BYTES_OF_EVENT = 500;
/** What stands around a value in JSON. */
const BYTES_OF_VALUE = 8;
/** What is nested deeper is refused, and so never stored. */
const DEEPEST = 40;

/** What an event takes in the database, about: its texts count by their length. */
export function bytesOf({ runId, message, error, metadata, reason, dataTypes }: EventDraft): number {
  let bytes = BYTES_OF_EVENT + runId.length + (message?.length ?? 0) + (error?.length ?? 0);
  if (metadata) bytes += bytesOfValue(metadata, 0);
  if (reason) bytes += bytesOfValue(reason, 0);
  if (dataTypes) bytes += bytesOfValue(dataTypes, 0);
  return bytes;
}

function bytesOfValue(value: unknown, depth: number): number {
  if (typeof value === 'string') return BYTES_OF_VALUE + value.length;
  if (typeof value !== 'object' || value === null || depth > DEEPEST) return BYTES_OF_VALUE;
  let bytes = BYTES_OF_VALUE;
  for (const [key, part] of Object.entries(value)) bytes += key.length + bytesOfValue(part, depth + 1);
  return bytes;
}
