import type { Builder } from '../graphql/builder.ts';
import type { ErasureReceipt } from './erase-user.ts';

/** What the erasure of a user has removed. */
export function addErasureReceipt(builder: Builder) {
  return builder.objectRef<ErasureReceipt>('ErasureReceipt').implement({
    description:
      'What the erasure of a user has removed. What an attempt that failed had removed before is not counted. It stays here that a user with this id was erased, and when, so that a source does not bring the user back; and the id, where the logs of other users name it as whose sync brought their data.',
    fields: (t) => ({
      auditId: t.exposeID('auditId', {
        description: 'Line of the audit log that tells the same, with a hash in place of the id.',
      }),
      erasedAt: t.expose('erasedAt', { type: 'DateTime', description: 'When.' }),
      events: t.exposeInt('events', { description: 'Events of the log.' }),
      runs: t.exposeInt('runs', { description: 'Runs, each with its batches and types of data.' }),
      connections: t.exposeInt('connections', { description: 'Connections with providers.' }),
      dataTypes: t.exposeInt('dataTypes', { description: 'Types of data of these connections.' }),
      quarantinedEntries: t.exposeInt('quarantinedEntries', {
        description: 'Entries of sources that could not be read or stored, and tell of the user.',
      }),
    }),
  });
}
