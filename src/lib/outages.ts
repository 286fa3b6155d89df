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
  const original = fieldOf(error.cause, 'originalMessage'); // of Prisma's driver adapters
  if (typeof original === 'string') return original;
  // Node tries all addresses of a host: its AggregateError has one ECONNREFUSED each for IPv4 and IPv6.
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return reasonOf(error.errors[0]);
  const lines = error.message.split('\n').filter((line) => line.trim() !== '');
  return lines.at(-1)?.trim() ?? String(fieldOf(error, 'code') ?? error.name); // Prisma's texts end with the reason
}

function fieldOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}
