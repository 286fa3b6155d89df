import { AppError } from '../../../errors.ts';
import type { StreamLife } from '../../../graphql/context.ts';
import type { Fails } from '../route.ts';
import { line } from './export-lines.ts';

/**
 * Lines as they are taken: the next page is read when the last one has gone. What fails is told in a last line. However it ends, so
 * does the life.
 */
export function exportStream(
  lines: AsyncGenerator<string, void, undefined>,
  life: StreamLife,
  fails: Fails,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const end = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    life.end();
    controller.close();
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          for (;;) {
            const { value, done } = await lines.next();
            if (done) return end(controller);
            if (value === '') continue;
            return controller.enqueue(encoder.encode(value));
          }
        } catch (error) {
          const cause: unknown = life.signal.aborted ? life.signal.reason : error;
          // A life that the server ends has one of our errors as its reason. Else the client has left, and nobody reads on.
          if (life.signal.aborted && !(cause instanceof AppError)) return end(controller);
          const { message: reason, extensions } = fails(cause);
          const { code, id } = extensions;
          controller.enqueue(encoder.encode(line('end', { complete: false, code, id, reason })));
          return end(controller);
        }
      },
      async cancel() {
        life.end();
        await lines.return();
      },
    },
    { highWaterMark: 0 },
  );
}
