import { type Headers, json } from '../answer.ts';

/** Says where an answer ends in a log: a stream or another list goes on after it. */
export const CURSOR_HEADER = 'synclog-cursor';

/**
 * An answer that says what is wrong, in the one shape that every such answer of REST has.
 * @param more further fields, for programs
 */
export function detail(status: number, text: string, headers: Headers = {}, more: object = {}): Response {
  return json(status, JSON.stringify({ detail: text, ...more }), headers);
}
