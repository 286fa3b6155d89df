import type { Scope, Viewer } from './viewer.ts';

/** Always, never, or when the credential carries this scope. */
type Grant = boolean | Scope;

/**
 * Every permission and who holds it. `delegate` is to make a token for one user: reading is enough, as the token can
 * do less than its maker. A user may not, or a short-lived token could renew itself for ever. `operate` is to see what
 * concerns all users at once, and `metrics` how the server is, which concerns nobody's data.
 */
const permissions = {
  public: { service: true, developer: true, user: true, anonymous: true },
  read: { service: 'read', developer: true, user: true, anonymous: false },
  write: { service: 'write', developer: 'write', user: false, anonymous: false },
  admin: { service: 'admin', developer: 'admin', user: false, anonymous: false },
  metrics: { service: 'metrics', developer: 'metrics', user: false, anonymous: false },
  delegate: { service: 'read', developer: true, user: false, anonymous: false },
  operate: { service: 'read', developer: true, user: false, anonymous: false },
} as const satisfies Record<string, Record<Viewer['kind'], Grant>>;

export type Permission = keyof typeof permissions;

export const permissionNames = Object.keys(permissions) as Permission[]; // the keys of a constant table

/** Whether the viewer holds the permission. Whose data it may touch is another question: {@link visibility}. */
export function may(viewer: Viewer, permission: Permission): boolean {
  const grant: Grant = permissions[permission][viewer.kind];
  if (typeof grant === 'boolean') return grant;
  return 'scopes' in viewer && viewer.scopes.has(grant);
}

/** Why the viewer does not hold the permission, for an error. */
export function whyNot(viewer: Viewer, permission: Permission): { reason: string; missingScope?: Scope } {
  const grant: Grant = permissions[permission][viewer.kind];
  if (typeof grant === 'string') return { reason: `it lacks the scope ${grant}`, missingScope: grant };
  return { reason: 'a token for one user may only read their log' };
}

/** Whose logs a viewer may read. */
export type Visibility =
  | { readonly kind: 'all' }
  | { readonly kind: 'one'; readonly userId: string }
  | { readonly kind: 'none' };

/** Whose logs the viewer may read, in the shape that a list query needs for its condition. */
export function visibility(viewer: Viewer): Visibility {
  if (!may(viewer, 'read')) return { kind: 'none' };
  return viewer.kind === 'user' ? { kind: 'one', userId: viewer.userId } : { kind: 'all' };
}

/** Whether the viewer may read this user's log. `userId` is a lower-case UUID; the user need not exist. */
export function maySeeUser(viewer: Viewer, userId: string): boolean {
  const visible = visibility(viewer);
  return visible.kind === 'all' || (visible.kind === 'one' && visible.userId === userId);
}
