import type { Authenticate } from '../auth/authenticate.ts';
import { credentialsFromHeaders, credentialsFromPayload } from '../auth/credentials.ts';
import type { Viewer } from '../auth/viewer.ts';
import { AppError } from '../errors.ts';

/** What somebody presents at a door. */
export interface Presented {
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

/**
 * Who is asking? Every door asks here, once for each request or socket, and nowhere else. (A webhook's credential is the
 * signature of its sender, which its source checks.) A rate limit for each viewer belongs here, before anything has been
 * done; one for each address needs the address in {@link Presented}.
 */
export class Admission {
  readonly #authenticate: Authenticate;

  constructor(authenticate: Authenticate) {
    this.#authenticate = authenticate;
  }

  /** The viewer at a GraphQL door, anonymous if there is no credential. @throws AppError as {@link Authenticate} does */
  admit({ header, payload }: Presented): Promise<Viewer> {
    const fromPayload = credentialsFromPayload(payload);
    const fromHeaders = credentialsFromHeaders(header);
    return this.#authenticate({
      authorization: fromPayload.authorization ?? fromHeaders.authorization,
      apiKey: fromPayload.apiKey ?? fromHeaders.apiKey,
    });
  }

  /**
   * The viewer at the REST door, who must have a credential. Open Wearables' SDK tokens are for uploading: here they count
   * as no token at all, so that an API key beside one is looked at.
   * @throws AppError UNAUTHENTICATED, and as {@link Authenticate} does
   */
  async admitToRest(presented: Presented): Promise<Viewer> {
    const viewer = await this.#byHeaders(presented);
    if (viewer.kind !== 'anonymous') return viewer;
    const owner = presented.tokenInUrl
      ? await this.#authenticate({ authorization: `Bearer ${presented.tokenInUrl}` })
      : viewer;
    if (owner.kind === 'user' && owner.via === 'sync:self') return owner;
    throw new AppError('UNAUTHENTICATED', 'There is no credential');
  }

  async #byHeaders({ header }: Presented): Promise<Viewer> {
    const credentials = credentialsFromHeaders(header);
    const viewer = await this.#authenticate(credentials);
    const isForUploads = viewer.kind === 'user' && viewer.via === 'sdk';
    return isForUploads ? this.#authenticate({ apiKey: credentials.apiKey }) : viewer;
  }
}
