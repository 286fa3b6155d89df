import { searchDescription } from '../events/events.graphql.ts';
import type { WordTypes } from '../events/words.graphql.ts';
import type { Builder, EnumOf } from '../graphql/builder.ts';
import type { RunHealth } from './run-health.ts';

/** Which runs are wanted, as input. */
export function addSyncRunFilter(
  builder: Builder,
  { SyncSource, SyncStatus, SyncScope }: WordTypes,
  SyncRunHealth: EnumOf<RunHealth>,
) {
  return builder.inputType('SyncRunFilter', {
    description: 'Which runs are wanted: those that match every given part. An empty list matches nothing.',
    fields: (t) => ({
      userId: t.field({ type: 'UUID', description: 'Runs of this user only.' }),
      providers: t.stringList({ description: 'Any of these providers.' }),
      sources: t.field({ type: [SyncSource], description: 'Any of these sources.' }),
      statuses: t.field({ type: [SyncStatus], description: 'Any of these statuses.' }),
      scopes: t.field({
        type: [SyncScope],
        description: 'Any of these scopes. A run of which no scope is told is found as `LIVE`.',
      }),
      health: t.field({ type: [SyncRunHealth], description: 'In any of these states, now.' }),
      since: t.field({
        type: 'DateTime',
        description: "The newest event happened at this time or later, by the producer's clock: see `lastEventAt`.",
      }),
      until: t.field({
        type: 'DateTime',
        description:
          "The newest event happened before this time, and not at it, by the producer's clock: see `lastEventAt`.",
      }),
      recordedSince: t.field({
        type: 'DateTime',
        description: "The newest event was recorded at this time or later, by this server's clock.",
      }),
      recordedUntil: t.field({
        type: 'DateTime',
        description: "The newest event was recorded before this time, and not at it, by this server's clock.",
      }),
      search: t.string({ description: searchDescription }),
    }),
  });
}
