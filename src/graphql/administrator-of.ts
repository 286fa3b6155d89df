import { type Administrator, program } from '../audit/acts.ts';
import type { Viewer } from '../auth/viewer.ts';

/** A viewer as the audit log names it. Only services and developers may administer anything. */
export function administratorOf(viewer: Viewer): Administrator {
  switch (viewer.kind) {
    case 'service':
      return { kind: 'service', id: viewer.keyId, name: viewer.name };
    case 'developer':
      return { kind: 'developer', id: viewer.subject, name: null };
    default:
      return program;
  }
}
