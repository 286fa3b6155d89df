import { AppError } from '../errors.ts';
import { isObject } from '../lib/json.ts';

/**
 * The answer to a hash in the place of a document, as Apollo's automatic persisted queries send it: there is no store of
 * documents here. Its clients know this error by its message, or its code, and send the document from then on.
 * @returns undefined for a request that has a document, or that has no hash
 */
export function refusePersistedQuery({
  query,
  extensions,
}: {
  readonly query?: unknown;
  readonly extensions?: unknown;
}): AppError | undefined {
  if (query || !isObject(extensions) || !isObject(extensions.persistedQuery)) return undefined;
  return new AppError('PERSISTED_QUERY_NOT_SUPPORTED', 'PersistedQueryNotSupported');
}
