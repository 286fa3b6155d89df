import { maySeeUser, visibility } from '../auth/permissions.ts';
import type { RowChanges } from '../log/changes/row-changes.ts';
import type { ChangedRow, RowChange, RowWish } from '../log/changes/row-subscriber.ts';
import type { WatchedRow } from '../log/changes/watched-rows.ts';
import { type Context, streamSignal } from './context.ts';

/** The wanted rows that the viewer may see whenever they change, and before that the sign that the stream has begun. */
export function followVisible<Row extends WatchedRow>(
  changes: RowChanges<Row>,
  wants: RowWish<Row>['wants'],
  context: Context,
): AsyncGenerator<RowChange<Row>, void, undefined> {
  const { viewer } = context;
  const visible = visibility(viewer);
  return changes.follow(
    {
      wants: (row, judgedAt) => maySeeUser(viewer, row.userId) && wants(row, judgedAt),
      only: visible.kind === 'one' ? visible.userId : undefined,
    },
    streamSignal(context),
  );
}

/** The same without the sign. */
export async function* withoutSign<Row>(
  changes: AsyncIterable<RowChange<Row>>,
): AsyncGenerator<ChangedRow<Row>, void, undefined> {
  for await (const change of changes) if (change.kind === 'changed') yield change;
}
