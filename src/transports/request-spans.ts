import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, type Tracer, trace } from '@opentelemetry/api';
import { parentIn, type TraceContext, toTraceContext } from '../lib/trace-context.ts';
import { productVersion } from '../lib/version.ts';

/** A request, or an operation on a socket, as it is told to OpenTelemetry. */
export interface RequestSpan {
  /** Where it stands in its trace. */
  readonly place: TraceContext;
  /** Runs what answers: what the database does for it is told as spans below. */
  within<T>(answer: () => T): T;
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
      within: (answer) => context.with(trace.setSpan(context.active(), span), answer),
      end(name, door, code) {
        span.updateName(name);
        span.setAttributes({ 'synclog.door': door, ...(code && { 'error.type': code }) });
        if (ours.has(code)) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      },
    };
  }

  /**
   * Tells of what the database has done for the request that is active. Nothing of what no request waits for, although one that has
   * ended may have begun it.
   */
  tellOf(what: string, system: string, begun: number): void {
    const active = context.active();
    if (!trace.getSpan(active)?.isRecording()) return;
    const attributes = { 'db.system.name': system };
    this.#tracer.startSpan(what, { kind: SpanKind.CLIENT, startTime: begun, attributes }, active).end();
  }
}
