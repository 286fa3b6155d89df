import { AppError } from '../../errors.ts';
import type { RouteTools } from './route.ts';
import type { Visit } from './visit.ts';

const document = 'query MayAwaitUser($userId: UUID!) { viewer { mayAwaitUser(id: $userId) } }';

interface Data {
  readonly viewer: { readonly mayAwaitUser: boolean };
}

/**
 * What a list asks where its document has answered null for the user: may the visitor wait for this one? Then the list is
 * empty, as it is for users whom Open Wearables knows before their first event; and it is not kept to be given again.
 */
export function prepareAwaited({ prepare }: Pick<RouteTools, 'prepare'>) {
  const ask = prepare<Data>(document);
  /** @throws AppError NOT_FOUND for whom the visitor may not wait */
  return async (visit: Visit, userId: string): Promise<void> => {
    const { viewer } = await ask(visit, { userId });
    if (!viewer.mayAwaitUser) throw new AppError('NOT_FOUND', 'There is no such user, or none that may be seen');
  };
}
