import type { ExecutionResult } from 'graphql';
import { writeResult } from '../operations/text/json-text.ts';
import { textFrame } from './text-frame.ts';

/** What was written of a result, for all who get the same one: its JSON, and the frame with the id that was last asked for. */
interface Written {
  readonly json: string;
  id?: string;
  frame?: Buffer;
}

/** Stands on the result itself, since what a `WeakMap` holds outlives the small collections of garbage. */
const written = Symbol('what was written of a result');

type WrittenResult = ExecutionResult & { [written]?: Written };

/**
 * The `next` message of graphql-transport-ws, as the bytes of a WebSocket frame. Subscribers who share a result share its
 * JSON, and the frame with their id.
 */
export function nextFrame(id: string, result: WrittenResult): Buffer {
  const known = writtenOf(result);
  if (known.frame && known.id === id) return known.frame;
  const frame = textFrame(`{"id":${JSON.stringify(id)},"type":"next","payload":${known.json}}`);
  known.id = id;
  known.frame = frame;
  return frame;
}

/** The JSON of a result, made once: `data` before `errors`, as that protocol has it. */
export function jsonOf(result: WrittenResult): string {
  return writtenOf(result).json;
}

function writtenOf(result: WrittenResult): Written {
  result[written] ??= { json: writeResult(result) };
  return result[written];
}
