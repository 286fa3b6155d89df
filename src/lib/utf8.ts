const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The text that bytes are in UTF-8, less a byte order mark; undefined for bytes that are none, which nobody is to guess. */
export function readUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}
