import type { Logger } from 'pino';

/** Something outside of the process that can be away. The log gets one line when it goes, and one when it is back. */
export interface Outage {
  /** An attempt has failed. @param error its message is logged, and nothing else of it: errors may carry secrets. */
  failed(error: unknown): void;
  /** An attempt has succeeded. */
  works(): void;
}

export function watchOutage(logger: Logger, texts: { readonly away: string; readonly back: string }): Outage {
  let since: number | undefined;
  return {
    failed(error) {
      if (since !== undefined) return;
      since = performance.now();
      logger.error({ reason: reasonOf(error) }, texts.away);
    },
    works() {
      if (since === undefined) return;
      logger.info({ awayMs: Math.round(performance.now() - since) }, texts.back);
      since = undefined;
    },
  };
}

/** Why a connection failed, in one line: what the driver says, under what Prisma and Node have wrapped around it. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause, code, errors } = error as Error & { cause?: unknown; code?: unknown; errors?: unknown[] };
  const original = (cause as { originalMessage?: unknown } | undefined)?.originalMessage; // of a driver adapter
  if (typeof original === 'string') return original;
  if (errors?.[0] instanceof Error) return reasonOf(errors[0]); // an address for each family, all of them refused
  const lines = error.message.split('\n').filter((line) => line.trim() !== '');
  return lines.at(-1)?.trim() ?? String(code ?? error.name); // Prisma's texts end with the reason
}
