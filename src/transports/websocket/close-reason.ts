/** What a close reason may have (RFC 6455, 5.5), less what a character cut in two would take to be shown. */
const REASON_BYTES = 120;

/** As much of a reason as a close frame takes; `ws` throws where it is longer. */
export function closeReason(reason: string): string {
  const bytes = Buffer.from(reason);
  if (bytes.byteLength <= REASON_BYTES) return reason;
  return bytes
    .subarray(0, REASON_BYTES)
    .toString()
    .replace(/\uFFFD+$/, '');
}
