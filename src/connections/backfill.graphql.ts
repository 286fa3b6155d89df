import type { Builder } from '../graphql/builder.ts';
import type { DateTimeRangeType } from '../graphql/date-time-range.ts';
import { type Backfill, backfillOf, readBackfill } from './backfill.ts';
import type { ConnectionTypes } from './connections.graphql.ts';

/** How far the history of a connection has come, as a field of it. */
export function addBackfill(
  builder: Builder,
  { ProviderLink }: ConnectionTypes,
  DateTimeRange: DateTimeRangeType,
): void {
  const BackfillProgress = builder.objectRef<Backfill>('BackfillProgress').implement({
    description: 'How far the history of a connection has come in, as the runs tell it that fetch it.',
    fields: (t) => ({
      requested: t.expose('requested', {
        type: DateTimeRange,
        nullable: true,
        description:
          'The days that were asked for; of several parts the one that has not come, else the widest. Null where no run says.',
      }),
      covered: t.expose('covered', {
        type: DateTimeRange,
        nullable: true,
        description:
          'Of these the days of which the producers say that they have gone through them, the widest part if there are holes; single types of data may be missing in them. Null where nobody says.',
      }),
      done: t.exposeBoolean('done', {
        nullable: true,
        description:
          'Has the history ended? Null where nobody ever says so, as with an export from a phone, which comes in batches without a last one.',
      }),
      percent: t.exposeInt('percent', {
        nullable: true,
        description:
          'How many of a hundred parts have come in: all of them only when it is done. Null where nothing tells.',
      }),
    }),
  });
  builder.prismaObjectField(ProviderLink, 'backfill', (t) =>
    t.field({
      type: BackfillProgress,
      nullable: true,
      description: 'How far the history has come in; null where no run was about history.',
      resolve: ({ backfill }) => {
        const state = readBackfill(backfill);
        return state && backfillOf(state);
      },
    }),
  );
}
