import type { Logger } from 'pino';

/** Something outside of the process that can be away. The log gets one line when it goes, and one when it is back. */
export interface Outage {
  /**
   * An attempt has failed. What answers and refuses us is told once more if other reasons came before: a server that is
   * started with another password is first away, and then there.
   * @param error its message is logged, and nothing else of it: errors may carry secrets.
   */
  failed(error: unknown): void;
  /** An attempt has succeeded. */
  works(): void;
}

interface OutageOptions {
  /** What the log says when it goes, and when it is back. */
  readonly away: string;
  readonly back: string;
  /** What is shown to anybody instead of the reason. */
  readonly shown?: string;
  /** Takes the secrets out of a reason. */
  readonly hide?: (reason: string) => string;
}

/** All that can be away, and what of it is. */
export class Outages {
  readonly #logger: Logger;
  readonly #present = new Map<string, string>();
  readonly #watched = new Set<string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Why each of those is away that are, by name. It holds no secrets and no addresses. */
  get present(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#present);
  }

  /** The names of all that is watched. */
  get watched(): readonly string[] {
    return [...this.#watched];
  }

  watch(name: string, { away, back, shown, hide = (reason) => reason }: OutageOptions): Outage {
    this.#watched.add(name);
    let since: number | undefined;
    let isRefusalTold = false;
    return {
      failed: (error) => {
        const isRefused = isRefusal(error);
        if (since !== undefined && (!isRefused || isRefusalTold)) return;
        since ??= performance.now();
        isRefusalTold = isRefused;
        this.#present.set(name, shown ?? hide(codeOf(error) ?? reasonOf(error)));
        this.#logger.error({ reason: hide(reasonOf(error)) }, away);
      },
      works: () => {
        if (since === undefined) return;
        this.#logger.info({ awayMs: Math.round(performance.now() - since) }, back);
        since = undefined;
        isRefusalTold = false;
        this.#present.delete(name);
      },
    };
  }
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

/** Redis' replies that say no to whoever asks, and not only for the moment. */
const refusals = /^(?!LOADING|BUSY|MASTERDOWN|TRYAGAIN|CLUSTERDOWN)[A-Z]+ /;
/** SQLSTATE: a user who is refused, rights that are missing, a database that is not there or is read only. */
const refusedStates = /^(?:28...|42501|3D000|25006)$/;

/** Has the other side answered, and refused us? */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'ReplyError') return refusals.test(error.message);
  const codes = [codeOf(error), fieldOf(error.cause, 'originalCode')];
  return codes.some((code) => typeof code === 'string' && refusedStates.test(code));
}

function codeOf(error: unknown): string | undefined {
  const code = fieldOf(error, 'code');
  return typeof code === 'string' && code !== '' ? code : undefined;
}

function fieldOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}
