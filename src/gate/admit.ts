import type { Authenticate } from '../auth/authenticate.ts';
import { type Credentials, credentialsFromHeaders, credentialsFromPayload } from '../auth/credentials.ts';
import type { Viewer } from '../auth/viewer.ts';
import { AppError } from '../errors.ts';
import type { Spending } from '../graphql/context.ts';
import type { Door, RateLimits } from './rate-limits.ts';
import type { Place } from './stream-counts.ts';

/** What somebody presents at a door. */
export interface Presented {
  readonly door: Door;
  /** From where: what `ClientAddresses` says. */
  readonly address: string;
  /** Finds a header by its lower-case name. */
  readonly header: (name: string) => string | null | undefined;
  /** The payload of a WebSocket's `connection_init`: a credential in it wins over the header of the same kind. */
  readonly payload?: unknown;
  /**
   * A token in the URL, for a browser's EventSource, which sends no headers. It counts where no header says who is
   * asking, and only a token for one user may stand there: URLs end up in histories and in the logs of proxies.
   */
  readonly tokenInUrl?: string | undefined;
}

/** Somebody on a socket who has not said who they are. */
export interface Arrival extends Presented {
  /** Where they are counted as such. */
  readonly place: Place;
}

/** Somebody who was let in: the request itself is charged. */
export interface Admitted {
  readonly viewer: Viewer;
  readonly address: string;
  readonly spending: Spending;
}

/** Credentials that are remembered as good, and how long they may be together with what stands beside them. */
const KNOWN_CREDENTIALS = 1_000;
const LONGEST_KNOWN = 1_000;

/**
 * Who is asking? Every door asks here, once for each request or socket, and nowhere else. (A webhook's credential is the
 * signature of its sender, which its source checks.)
 *
 * Each credential that is refused counts for its address. From one with too many, only credentials that were good before
 * are looked at: others may share the address.
 */
export class Admission {
  readonly #authenticate: Authenticate;
  readonly #rates: RateLimits;
  /** The oldest first. */
  readonly #known = new Set<string>();

  constructor(authenticate: Authenticate, rates: RateLimits) {
    this.#authenticate = authenticate;
    this.#rates = rates;
  }

  /**
   * The viewer at a GraphQL door, anonymous if there is no credential.
   * @throws AppError RATE_LIMITED, and as {@link Authenticate} does
   */
  async admit(presented: Presented): Promise<Admitted> {
    const { header, payload } = presented;
    const fromPayload = credentialsFromPayload(payload);
    const fromHeaders = credentialsFromHeaders(header);
    const credentials = {
      authorization: fromPayload.authorization ?? fromHeaders.authorization,
      apiKey: fromPayload.apiKey ?? fromHeaders.apiKey,
    };
    return this.#enter(await this.#verify(presented, credentials), presented);
  }

  /**
   * The viewer at the REST door, who must have a credential. Open Wearables' SDK tokens are for uploading: here they count
   * as no token at all, so that an API key beside one is looked at.
   * @throws AppError UNAUTHENTICATED, RATE_LIMITED, and as {@link Authenticate} does
   */
  async admitToRest(presented: Presented): Promise<Admitted> {
    const viewer = await this.#byHeaders(presented);
    if (viewer.kind !== 'anonymous') return this.#enter(viewer, presented);
    const owner = presented.tokenInUrl
      ? await this.#verify(presented, { authorization: `Bearer ${presented.tokenInUrl}`, apiKey: null })
      : viewer;
    const isOwner = owner.kind === 'user' && owner.via === 'sync:self';
    const admitted = this.#enter(isOwner ? owner : viewer, presented);
    if (isOwner) return admitted;
    throw new AppError('UNAUTHENTICATED', 'There is no credential');
  }

  async #byHeaders(presented: Presented): Promise<Viewer> {
    const credentials = credentialsFromHeaders(presented.header);
    const viewer = await this.#verify(presented, credentials);
    const isForUploads = viewer.kind === 'user' && viewer.via === 'sdk';
    return isForUploads ? this.#verify(presented, { ...credentials, authorization: null }) : viewer;
  }

  #enter(viewer: Viewer, { address, door }: Presented): Admitted {
    const spending = this.#rates.spendingOf(viewer, address, door);
    spending.request();
    if (door === 'websocket') spending.stream();
    return { viewer, address, spending };
  }

  async #verify({ address, door }: Presented, credentials: Credentials): Promise<Viewer> {
    const { authorization, apiKey } = credentials;
    if (authorization === null && apiKey === null) return { kind: 'anonymous' };
    const text = `${authorization}\n${apiKey}`;
    if (!this.#known.has(text)) this.#rates.check('credentials', address, 1, door);
    try {
      const viewer = await this.#authenticate(credentials);
      if (viewer.kind !== 'anonymous') this.#remember(text);
      return viewer;
    } catch (error) {
      // One that could not be checked is as good as it was.
      if (error instanceof AppError && error.code === 'UNAUTHENTICATED') {
        this.#known.delete(text);
        this.#rates.take('credentials', address, 1, door);
      }
      throw error;
    }
  }

  #remember(text: string): void {
    if (text.length > LONGEST_KNOWN) return;
    this.#known.add(text);
    const [oldest] = this.#known;
    if (this.#known.size > KNOWN_CREDENTIALS && oldest !== undefined) this.#known.delete(oldest);
  }
}
