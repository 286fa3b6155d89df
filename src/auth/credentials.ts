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

/** Letters that fold to one of ASCII, as the Kelvin sign does, are none of a header's name. */
const asciiOnly = /^[\x21-\x7e]+$/;

/**
 * Reads the credentials out of the payload of a WebSocket's `connection_init`: the names of the headers as keys, in
 * any case. Keys that are alike are joined as headers of one name are, so that none of them is taken alone; under a name that only
 * looks like one, no value is good. Whatever is not an object, and every value that is not a text, counts as an empty text.
 */
export function credentialsFromPayload(payload: unknown): Credentials {
  const fields = typeof payload === 'object' && payload !== null ? Object.entries(payload) : [];
  return credentialsFromHeaders((name) =>
    fields
      .filter(([key]) => key.toLowerCase() === name)
      .map(([key, value]: [string, unknown]) => {
        const text = typeof value === 'string' ? value : '';
        return asciiOnly.test(key) ? text : `${text},`;
      })
      .join(', '),
  );
}
