import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, type Tracer, trace } from '@opentelemetry/api';
import { parentIn, type TraceContext, toTraceContext } from '../lib/trace-context.ts';
import { productVersion } from '../lib/version.ts';

/** A request, or an operation on a socket, as it is told to OpenTelemetry. */
export interface RequestSpan {
  /** Where it stands in its trace. */
  readonly place: TraceContext;
  /** @param name of the operation, or the route. @param code of the error that was answered, if one was */
  end(name: string, door: string, code: string | undefined): void;
}

/** Codes that are no mistake of the client. */
const ours: ReadonlySet<string | undefined> = new Set(['INTERNAL_SERVER_ERROR', 'UNAVAILABLE']);

/** Tells the SDK that is loaded of each request: `NODE_OPTIONS="--import ./tracing.mjs"` loads one before the server. */
export class RequestSpans {
  readonly #tracer: Tracer = trace.getTracer('synclog', productVersion());

  /** @param traceparent the header of the request, which a span that is active already has read */
  begin(traceparent: string | undefined): RequestSpan {
    const parent = traceparent === undefined ? undefined : parentIn(traceparent);
    const active = context.active();
    const within =
      parent && !trace.getSpan(active) ? trace.setSpanContext(ROOT_CONTEXT, { ...parent, isRemote: true }) : active;
    const span = this.#tracer.startSpan('request', { kind: SpanKind.SERVER }, within);
    const { traceId, spanId, traceFlags } = span.spanContext();
    return {
      place: toTraceContext(traceId, spanId, (traceFlags & TraceFlags.SAMPLED) !== 0),
      end(name, door, code) {
        span.updateName(name);
        span.setAttributes({ 'synclog.door': door, ...(code && { 'error.type': code }) });
        if (ours.has(code)) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      },
    };
  }
}
