import DataLoader from 'dataloader';
import { type HiddenTexts, hiddenFrom } from '../auth/producer-texts.ts';
import type { Viewer } from '../auth/viewer.ts';
import type { Limits } from '../limits.ts';
import type { EventDraft } from '../log/event.ts';
import type { Services } from '../services.ts';
import type { Batch } from './batch.ts';
import { OperationBounds } from './operation-bounds.ts';
import { type Basis, Reads } from './reads.ts';

/** The time that a stream may last. */
export interface StreamLife {
  /**
   * Aborts when the stream must end: silently when the client has left, or with an `AppError` as reason when the server
   * ends it.
   */
  readonly signal: AbortSignal;
  /**
   * Aborts the signal, if it has not, and frees what watches over it. May be called again.
   * @param reason what the streams of this life end with; none where the client wants no more
   */
  end(reason?: unknown): void;
}

/** What of the server an account uses up, told as it is asked for. */
export interface Spending {
  /** One request, or one operation on a socket. @throws AppError RATE_LIMITED, UNAVAILABLE */
  request(): void;
  /**
   * What an operation costs, in items.
   * @param before what the same request has cost so far, for which it was charged
   * @throws AppError RATE_LIMITED, UNAVAILABLE
   */
  items(count: number, before?: number): void;
  /** What an operation turns out to have cost beyond that, in items: it is taken even from an account that has not so much. */
  found(count: number): void;
  /**
   * When so many items could be paid with half of what may be asked at once left over for others, in milliseconds; 0 for now. For
   * work that can wait: nothing is charged, and nothing counts as refused.
   */
  spareIn(count: number): number;
  /** A stream that is about to begin. @throws AppError UNAVAILABLE, while the server cannot keep up */
  stream(): void;
  /**
   * Events to record. What `store` does not store is given back.
   * @returns what `store` answers, one for each event in their order
   * @throws AppError RATE_LIMITED, when nothing is charged or stored, and whatever `store` throws
   */
  record<R extends { readonly duplicate: boolean }>(
    drafts: readonly EventDraft[],
    store: () => Promise<readonly R[]>,
  ): Promise<readonly R[]>;
}

/** What every resolver gets, the same on every transport. */
export interface Context {
  readonly viewer: Viewer;
  /** What the viewer is not shown of what producers write. */
  readonly hidden: HiddenTexts;
  readonly limits: Limits;
  /** What the operation may take; nothing is read for one that is past it. */
  readonly bounds: OperationBounds;
  /** Whose account pays for the operation, which charges it before anything runs. */
  readonly spending: Spending;
  /** For what goes not through {@link Context.load}. Whoever takes them makes an answer that cannot be kept. */
  readonly services: Services;
  /**
   * The moment of the operation, or of a payload: all of its answer is judged by it. Milliseconds since 1970. An answer
   * that depends on it cannot be kept.
   */
  readonly now: number;
  /** What everything that was read so far rests on; undefined when that cannot be told. */
  readonly basis: Basis | undefined;
  /** Begins the life of a stream on this transport. Whoever runs a subscription calls it once, and ends it. */
  readonly openStream: () => StreamLife;
  /** Within a subscription: the signal of its life. */
  readonly signal?: AbortSignal;
  /** Cursor that the transport itself brought (`Last-Event-ID` of SSE); it wins over arguments. */
  readonly resumeAfter: string | null;
  /** Finds one thing, together with everything else that is asked of the same batch in this turn. */
  readonly load: <K, V>(batch: Batch<K, V>, key: K) => Promise<V>;
  /**
   * Forgets what was found, because it may have been changed, or is needed no more: Pothos has contexts in a `WeakMap`, and what
   * that holds outlives the small collections of garbage.
   */
  readonly forget: () => void;
}

/** Who pays for an operation: its context or, before there is one, what that is made of. */
export type Payer = Pick<Context, 'spending'> & Partial<Pick<Context, 'bounds'>>;

/** What a context is made of. */
export type ContextParts = Pick<
  Context,
  'viewer' | 'spending' | 'services' | 'openStream' | 'signal' | 'resumeAfter'
> & {
  /** The present if it is left out. */
  readonly now?: number | undefined;
  /** When what the operation is a part of was begun, by `performance.now()`; it is on its own if that is left out. */
  readonly begunAt?: number | undefined;
};

/** A context with caches of its own: one for each request, and for each payload of a subscription. */
export function createContext({ services, now = services.clock(), begunAt, ...parts }: ContextParts): Context {
  const loaders = new Map<unknown, unknown>();
  const reads = new Reads();
  const bounds = new OperationBounds(begunAt);
  return {
    ...parts,
    limits: services.limits,
    hidden: hiddenFrom(parts.viewer, services.hiddenFromUsers),
    bounds,
    get services() {
      bounds.check();
      reads.lose();
      return services;
    },
    get now() {
      reads.lose();
      return now;
    },
    get basis() {
      return reads.basis;
    },
    async load<K, V>(batch: Batch<K, V>, key: K): Promise<V> {
      bounds.check();
      const { restsOn } = batch;
      if (!restsOn) reads.lose();
      else if ('owner' in restsOn) reads.belowUser(restsOn.owner(key));
      // The loader under a batch was made from that batch, below, so the loader has the batch's types.
      let loader = loaders.get(batch) as DataLoader<K, V, string> | undefined;
      if (!loader) {
        loader = new DataLoader<K, V, string>((keys) => batch.find(keys, services, bounds), {
          cacheKeyFn: batch.keyOf,
          ...(bounds.pace && { batchScheduleFn: (ask) => bounds.pace?.whenIdle(ask) }),
        });
        loaders.set(batch, loader);
      }
      const answer = await loader.load(key);
      if (bounds.pace) await bounds.pace.step();
      if (restsOn && 'users' in restsOn) reads.root(batch, key, answer, restsOn.users(answer));
      return answer;
    },
    forget: () => loaders.clear(),
  };
}

/** The context of a query or mutation on a door that streams nothing. @param begunAt see {@link ContextParts} */
export function createQueryContext(viewer: Viewer, spending: Spending, services: Services, begunAt?: number): Context {
  const openStream = () => {
    throw new Error('A query cannot be streamed');
  };
  return createContext({ viewer, spending, services, begunAt, resumeAfter: null, openStream });
}

/** The signal of the stream that a `subscribe` resolver belongs to. */
export function streamSignal({ signal }: Context): AbortSignal {
  if (!signal) throw new Error('A subscription was started outside of subscribe()');
  return signal;
}
