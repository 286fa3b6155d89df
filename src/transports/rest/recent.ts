import { AppError } from '../../errors.ts';
import { json } from './answer.ts';
import { readInteger, readUuid } from './parameters.ts';
import type { Route } from './route.ts';
import { eventSelection, type SelectedEvent, writeEvent } from './wire-event.ts';

const document = `query RecentSyncEvents($userId: UUID!, $limit: Int) {
  user(id: $userId) { recentSyncEvents(limit: $limit) { ${eventSelection} } }
}`;

interface Data {
  readonly user: { readonly recentSyncEvents: readonly SelectedEvent[] } | null;
}

/** The newest events of a user, newest first: Open Wearables' `/sync/recent`. */
export const recentEvents: Route = {
  method: 'GET',
  path: '/users/:user_id/sync/recent',
  open({ prepare, limits }) {
    const run = prepare<Data>(document);
    return async (request, viewer) => {
      const userId = readUuid(request, 'user_id');
      const limit = readInteger(request, 'limit', { min: 1, max: limits.pageSize });
      const { user } = await run(viewer, { userId, ...(limit !== undefined && { limit }) });
      if (!user) throw new AppError('NOT_FOUND', 'There is no such user, or none that may be seen');
      return json(200, `[${user.recentSyncEvents.map(writeEvent).join(',')}]`);
    };
  },
};
