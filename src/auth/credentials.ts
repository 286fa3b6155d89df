/** What a client presented, not yet checked. Null for nothing. */
export interface Credentials {
  /** Value of `Authorization`, scheme included. */
  readonly authorization: string | null;
  readonly apiKey: string | null;
}

/** Headers that carry an API key; the first that is not empty counts. */
const apiKeyHeaders = ['x-open-wearables-api-key', 'x-api-key'] as const;

/** What HTTP takes for blanks, and the line break with which a file ends. No other character is one. */
const blanksAround = /^[ \t\r\n]+|[ \t\r\n]+$/g;

/** Reads the credentials of an HTTP request. `get` finds a header by its lower-case name. */
export function credentialsFromHeaders(get: (name: string) => string | null | undefined): Credentials {
  const read = (name: string) => get(name)?.replaceAll(blanksAround, '') || null;
  return {
    authorization: read('authorization'),
    apiKey: apiKeyHeaders.map(read).find((value) => value !== null) ?? null,
  };
}

/**
 * Reads the credentials out of the payload of a WebSocket's `connection_init`: the names of the headers as keys, in
 * any case. Of two that are alike, as of two headers, none is taken alone. Whatever is not an object, and every value that is not a text, counts as nothing.
 */
export function credentialsFromPayload(payload: unknown): Credentials {
  const fields = typeof payload === 'object' && payload !== null ? Object.entries(payload) : [];
  return credentialsFromHeaders((name) => {
    const values: unknown[] = fields.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
    return values.filter((value) => typeof value === 'string' && value !== '').join(', ');
  });
}
