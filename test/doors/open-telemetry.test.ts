import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Context,
  type ContextManager,
  context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { describe, expect, onTestFinished, test } from 'vitest';
import { transports } from '../support/graphql-transports.ts';
import { startServer } from '../support/server.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentSpanId = '00f067aa0ba902b7';

/** A server in whose process an SDK has been loaded before it. */
async function startTraced() {
  const exporter = new InMemorySpanExporter();
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
  onTestFinished(() => trace.disable());
  const server = await startServer();
  onTestFinished(() => server.close());
  const spans = () =>
    exporter.getFinishedSpans().map((span) => ({
      ...{
        name: span.name,
        kind: span.kind,
        attributes: { ...span.attributes },
        isBad: span.status.code === SpanStatusCode.ERROR,
      },
      ...{
        traceId: span.spanContext().traceId,
        spanId: span.spanContext().spanId,
        parent: span.parentSpanContext?.spanId,
      },
    }));
  return { server, spans };
}

/** What `@opentelemetry/context-async-hooks` is: the context follows what is awaited. */
class FollowedContext implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>();
  active = () => this.#storage.getStore() ?? ROOT_CONTEXT;
  with: ContextManager['with'] = (active, run, thisArg, ...args) =>
    this.#storage.run(active, () => Reflect.apply(run, thisArg, args));
  bind: ContextManager['bind'] = (_, target) => target;
  enable = () => this;
  disable = () => this;
}

describe('an SDK of OpenTelemetry that is loaded before the server', () => {
  test('is told of each request, within the trace that its client names and as the place that it is told', async () => {
    const { server, spans } = await startTraced();
    const response = await fetch(`${server.url}/graphql?query=query+Who+{viewer{kind}}`, {
      headers: { ...server.admin, traceparent: `00-${traceId}-${parentSpanId}-01` },
    });
    const [, , spanId] = response.headers.get('traceparent')?.split('-') ?? [];
    await expect.poll(spans).toContainEqual(
      expect.objectContaining({
        name: 'query Who',
        kind: SpanKind.SERVER,
        traceId,
        spanId,
        parent: parentSpanId,
        attributes: { 'synclog.door': 'graphql' },
      }),
    );
  });

  test('is told of operations on a socket, and of mistakes by their code', async () => {
    const { server, spans } = await startTraced();
    const missing = {
      query: 'query Missing($id: UUID!) { user(id: $id) { id } }',
      variables: { id: 'x' },
      headers: server.admin,
    };
    await transports.websocket(server.url, missing);
    await expect.poll(spans).toContainEqual(
      expect.objectContaining({
        name: 'query Missing',
        attributes: { 'synclog.door': 'websocket', 'error.type': 'BAD_USER_INPUT' },
        isBad: false,
      }),
    );
  });

  test.each(['post', 'websocket'] as const)(
    'is told over %s of what the database does for a request, as spans below it, and of nothing that no request waits for',
    async (transport) => {
      context.setGlobalContextManager(new FollowedContext());
      onTestFinished(() => context.disable());
      const { server, spans } = await startTraced();
      const query = 'mutation Make { upsertUser(input: {}) { id } }';
      await transports[transport](server.url, { query, headers: server.admin });
      const below = () => {
        const request = spans().find(({ name }) => name === 'mutation Make');
        return spans().filter(({ parent }) => request !== undefined && parent === request.spanId);
      };
      const attributes = { 'db.system.name': server.app.services.database.kind };
      for (const name of ['transaction', 'statement'])
        await expect.poll(below).toContainEqual(expect.objectContaining({ name, kind: SpanKind.CLIENT, attributes }));
      expect(spans().filter(({ kind, parent }) => kind === SpanKind.CLIENT && parent === undefined)).toEqual([]);
    },
  );

  test('and where none is, there is no span, and a trace goes on all the same', async () => {
    const server = await startServer();
    onTestFinished(() => server.close());
    const exporter = new InMemorySpanExporter();
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
    onTestFinished(() => trace.disable());
    const headers = { traceparent: `00-${traceId}-${parentSpanId}-01` };
    expect((await fetch(`${server.url}/healthz`, { headers })).headers.get('traceparent')).toContain(traceId);
    expect(exporter.getFinishedSpans()).toEqual([]);
  });
});
