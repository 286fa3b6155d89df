import { randomBytes } from 'node:crypto';

/** Where a request stands in a trace of several programs (W3C Trace Context). */
export interface TraceContext {
  readonly traceId: string;
  /** Of this request, for whatever comes after it. */
  readonly spanId: string;
  /** The same as a header. */
  readonly traceparent: string;
}

/** A later version may have more at the end; the first has not. */
const form = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:$|(?<!^00.*)-)/;

/** Goes on with the trace that a header tells of; with one of its own where the header cannot be read. */
export function continueTrace(header: string): TraceContext {
  const { traceId, traceFlags } = parentIn(header) ?? { traceId: randomBytes(16).toString('hex'), traceFlags: 0 };
  return toTraceContext(traceId, randomBytes(8).toString('hex'), traceFlags === 1);
}

/** What a header says of who asks; undefined where it cannot be read. Of its flags, the first alone has a meaning. */
export function parentIn(header: string) {
  const [, , traceId, spanId, flags = ''] = form.exec(header) ?? [];
  return traceId && spanId ? { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1 } : undefined;
}

export function toTraceContext(traceId: string, spanId: string, isSampled: boolean): TraceContext {
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}` };
}
