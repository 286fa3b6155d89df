import type { ExecutionResult } from 'graphql';

/** What was written of a result, for all who get the same one: its JSON, and the message with the id that was last asked for. */
interface Written {
  readonly json: string;
  id?: string;
  message?: Buffer;
}

const writtenOf = new WeakMap<ExecutionResult, Written>();

/** The `next` message of graphql-transport-ws. Subscribers who share a result share its JSON, and the message with their id. */
export function nextMessage(id: string, result: ExecutionResult): Buffer {
  const written = writtenOf.get(result) ?? write(result);
  if (written.message && written.id === id) return written.message;
  const message = Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":${written.json}}`);
  written.id = id;
  written.message = message;
  return message;
}

function write(result: ExecutionResult): Written {
  const { errors, ...rest } = result;
  const written = { json: JSON.stringify({ ...rest, ...(errors && { errors }) }) };
  writtenOf.set(result, written);
  return written;
}
