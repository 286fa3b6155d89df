import type { CryptoKey, JWTHeaderParameters, JWTPayload } from 'jose';
import type { TokenScopes } from './token-scopes.ts';

/** A token whose signature a key has proved, and whose claims were good at that time. */
export interface VerifiedToken {
  readonly header: JWTHeaderParameters;
  readonly claims: JWTPayload;
  /** What the claims say of scopes: null when that cannot be read. */
  readonly scopes: TokenScopes | null;
  readonly key: CryptoKey | Uint8Array;
  /** When its time is over, by `performance.now()`: a clock that is set back since gives it no more. */
  readonly endsAt: number;
}

/**
 * The tokens that were verified last: a signature that a key has proved need not be proved again by the same key. Whether
 * the key still counts, and whether it is time for the token, has to be asked each time.
 */
export class VerifiedTokens {
  /** The least recently used first. */
  readonly #tokens = new Map<string, VerifiedToken>();
  readonly #mostCharacters: number;
  #characters = 0;

  /** @param mostCharacters UTF-16 code units of all tokens together */
  constructor(mostCharacters: number) {
    this.#mostCharacters = mostCharacters;
  }

  get(token: string): VerifiedToken | undefined {
    const known = this.#tokens.get(token);
    if (known) {
      this.#tokens.delete(token);
      this.#tokens.set(token, known);
    }
    return known;
  }

  set(token: string, verified: VerifiedToken): void {
    if (!this.#tokens.has(token)) this.#characters += token.length;
    this.#tokens.set(token, verified);
    for (const oldest of this.#tokens.keys()) {
      if (this.#characters <= this.#mostCharacters) break;
      this.#tokens.delete(oldest);
      this.#characters -= oldest.length;
    }
  }
}
