/** What a credential may be granted. No scope implies another. */
export const scopes = ['read', 'write', 'admin', 'metrics'] as const;

export type Scope = (typeof scopes)[number];

/** A program with an API key. */
export interface ServiceViewer {
  readonly kind: 'service';
  /** Public id of the key, never its secret. */
  readonly keyId: string;
  /** What the key was made for. */
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
  /** Null for a key that lasts until it is revoked. Of a secret that was replaced, when that is over. */
  readonly expiresAt: Date | null;
  /** With which secret: how often the key had been rotated when it was made. None of a key that is not in the database. */
  readonly rotation?: number;
}

/** A member of the platform's staff, or a backend that signs tokens like theirs. */
export interface DeveloperViewer {
  readonly kind: 'developer';
  /** `sub` of the token, as it stands there. */
  readonly subject: string;
  readonly scopes: ReadonlySet<Scope>;
  readonly expiresAt: Date;
}

/** A person who follows their own syncs. */
export interface UserViewer {
  readonly kind: 'user';
  /** Lower-case UUID. */
  readonly userId: string;
  /** The scope that narrowed the token to one user. */
  readonly via: 'sync:self' | 'sdk';
  readonly expiresAt: Date;
}

/** Who is asking. Every transport makes one per request or connection; everything behind it asks only this. */
export type Viewer = ServiceViewer | DeveloperViewer | UserViewer | { readonly kind: 'anonymous' };

/** The known scopes among `words`, each once and in the order of {@link scopes}; other words are dropped. */
export function scopesAmong(words: readonly string[]): Scope[] {
  return scopes.filter((scope) => words.includes(scope));
}
