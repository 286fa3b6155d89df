import DataLoader from 'dataloader';
import type { Viewer } from '../auth/viewer.ts';
import type { Services } from '../services.ts';

/** A way to find many things at once. `keyOf` tells which keys are the same. */
export interface Batch<K, V> {
  /** Answers in the order of the keys. */
  readonly find: (keys: readonly K[], services: Services) => Promise<readonly V[]>;
  readonly keyOf: (key: K) => string;
}

/** The time that a stream may last. */
export interface StreamLife {
  /**
   * Aborts when the stream must end: silently when the client has left, or with an `AppError` as reason when the server
   * ends it.
   */
  readonly signal: AbortSignal;
  /** Aborts the signal, if it has not, and frees what watches over it. May be called again. */
  end(): void;
}

/** What every resolver gets, the same on every transport. */
export interface Context {
  readonly viewer: Viewer;
  readonly services: Services;
  /** The moment of the operation, or of a payload: all of its answer is judged by it. Milliseconds since 1970. */
  readonly now: number;
  /** Begins the life of a stream on this transport. Whoever runs a subscription calls it once, and ends it. */
  readonly openStream: () => StreamLife;
  /** Within a subscription: the signal of its life. */
  readonly signal?: AbortSignal;
  /** Cursor that the transport itself brought (`Last-Event-ID` of SSE); it wins over arguments. */
  readonly resumeAfter: string | null;
  /** Finds one thing, together with everything else that is asked of the same batch in this turn. */
  readonly load: <K, V>(batch: Batch<K, V>, key: K) => Promise<V>;
  /** Forgets what was found, because it may have been changed. */
  readonly forget: () => void;
}

/** A context with caches of its own: one for each request, and for each payload of a subscription. */
export function createContext(parts: Omit<Context, 'now' | 'load' | 'forget'>): Context {
  const loaders = new Map<unknown, unknown>();
  return {
    ...parts,
    now: parts.services.clock(),
    load<K, V>(batch: Batch<K, V>, key: K): Promise<V> {
      // The loader under a batch was made from that batch, below, so the loader has the batch's types.
      let loader = loaders.get(batch) as DataLoader<K, V, string> | undefined;
      if (!loader) {
        const find = (keys: readonly K[]) => batch.find(keys, parts.services);
        loader = new DataLoader<K, V, string>(find, { cacheKeyFn: batch.keyOf });
        loaders.set(batch, loader);
      }
      return loader.load(key);
    },
    forget: () => loaders.clear(),
  };
}

/** The signal of the stream that a `subscribe` resolver belongs to. */
export function streamSignal({ signal }: Context): AbortSignal {
  if (!signal) throw new Error('A subscription was started outside of subscribe()');
  return signal;
}
