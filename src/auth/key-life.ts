/** For how long the secrets of a key are good, unless somebody revokes the key. */
export interface KeyLife {
  /** How often the secret was replaced. */
  readonly rotations: number;
  /** From when on the key is refused; null for never. */
  readonly expiresAt: Date | null;
  /** From when on the secret before the present one is refused; null where there is none. */
  readonly previousEndsAt: Date | null;
}

const LONG_AGO = new Date(0);

/**
 * When a secret of a key is over; null for never. The secret is named by how often the key had been rotated when the secret
 * was made. Of those before the present one, the last alone can still be good.
 */
export function endOfSecret({ rotations, expiresAt, previousEndsAt }: KeyLife, rotation: number): Date | null {
  if (rotation >= rotations) return expiresAt;
  const replacedAt = (rotation === rotations - 1 && previousEndsAt) || LONG_AGO;
  return expiresAt && expiresAt < replacedAt ? expiresAt : replacedAt;
}
