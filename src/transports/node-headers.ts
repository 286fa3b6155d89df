import type { IncomingMessage } from 'node:http';

/** A header of a request by its lower-case name, as one text. */
export function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}
