import { may } from '../auth/permissions.ts';
import { type Scope, scopes, type Viewer } from '../auth/viewer.ts';

/** A viewer as it is shown to itself. */
export interface ViewerDescription {
  readonly kind: Viewer['kind'];
  readonly name: string | null;
  readonly userId: string | null;
  readonly scopes: Scope[];
  readonly expiresAt: Date | null;
}

/** What the viewer may know of its own credential. A scope is listed if the viewer holds the permission of its name. */
export function describeViewer(viewer: Viewer): ViewerDescription {
  return { kind: viewer.kind, ...credentialOf(viewer), scopes: scopes.filter((scope) => may(viewer, scope)) };
}

function credentialOf(viewer: Viewer): Pick<ViewerDescription, 'name' | 'userId' | 'expiresAt'> {
  switch (viewer.kind) {
    case 'service':
      return { name: viewer.name, userId: null, expiresAt: viewer.expiresAt };
    case 'developer':
      return { name: viewer.subject, userId: null, expiresAt: viewer.expiresAt };
    case 'user':
      return { name: viewer.userId, userId: viewer.userId, expiresAt: viewer.expiresAt };
    case 'anonymous':
      return { name: null, userId: null, expiresAt: null };
  }
}
