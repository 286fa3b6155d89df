import { credentialsFromHeaders } from '../auth/credentials.ts';
import { may, whyNot } from '../auth/permissions.ts';
import { AppError } from '../errors.ts';
import { sha256 } from '../lib/sha256.ts';
import type { Admission, Presented } from './admit.ts';

/** So many credentials are remembered as let in. An installation has one or two that scrape it. */
const MOST_KNOWN = 10;

/**
 * Who needs no credential to see how the server is: everybody, who comes by no proxy, nobody. Strangers reach a private
 * address by a proxy that stands beside the server.
 */
export type MetricsAccess = 'open' | 'direct' | 'credential';

/** What proxies write of whom they ask for. */
const PROXY_HEADERS = ['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip', 'forwarded', 'via'];

/**
 * Who may see how the server is: who needs no credential for it, and who has the scope `metrics`. Whoever was let in before still is while the credential cannot be checked, as the metrics are
 * wanted most while the database is away.
 */
export class OperatorAccess {
  readonly #admission: Admission;
  readonly #access: MetricsAccess;
  /** Hashes of what was presented. */
  readonly #known = new Set<string>();

  constructor(admission: Admission, access: MetricsAccess) {
    this.#admission = admission;
    this.#access = access;
  }

  /** @throws AppError UNAUTHENTICATED or FORBIDDEN for who may not, and what admission throws */
  async check(presented: Presented): Promise<void> {
    const { header } = presented;
    if (this.#access === 'open') return;
    if (this.#access === 'direct' && PROXY_HEADERS.every((name) => (header(name) ?? null) === null)) return;
    const key = keyOf(presented);
    try {
      const { viewer } = await this.#admission.admit(presented);
      if (viewer.kind === 'anonymous') throw new AppError('UNAUTHENTICATED', 'There is no credential');
      if (!may(viewer, 'metrics'))
        throw new AppError('FORBIDDEN', `The credential does not permit this: ${whyNot(viewer, 'metrics').reason}`);
      this.#remember(key);
    } catch (error) {
      const isUnknown = error instanceof AppError && (error.code === 'UNAUTHENTICATED' || error.code === 'FORBIDDEN');
      if (isUnknown) this.#known.delete(key);
      if (isUnknown || !this.#known.has(key)) throw error;
    }
  }

  /** The same for what is shown to others as well, with less in it. Never rejects. */
  async isLetIn(presented: Presented): Promise<boolean> {
    return this.check(presented).then(
      () => true,
      () => false,
    );
  }

  #remember(key: string): void {
    this.#known.add(key);
    const [oldest] = this.#known;
    if (this.#known.size > MOST_KNOWN && oldest !== undefined) this.#known.delete(oldest);
  }
}

function keyOf({ header }: Presented): string {
  const { authorization, apiKey } = credentialsFromHeaders(header);
  return sha256(`${authorization}\n${apiKey}`);
}
