import type { MiddlewareHandler } from 'hono';
import type { Origins } from '../../gate/origins.ts';
import { plain } from '../answer.ts';
import { CURSOR_HEADER } from './rest-answer.ts';

/** Seconds for which a browser may remember that it was allowed. */
const MAX_AGE = '600';

/**
 * Lets pages of some origins read the answers, credentials included. Unlike Hono's own, it answers preflights as Open
 * Wearables does: with a body, and with 400 for a foreign origin. Other requests of foreign pages are served, but
 * their browsers do not show them the answer.
 */
export function cors(origins: Origins): MiddlewareHandler {
  return async (context, next) => {
    const { req } = context;
    const origin = req.header('origin');
    if (origin === undefined) return next();
    const isAllowed = origins.allows(origin);
    if (req.method === 'OPTIONS' && req.header('access-control-request-method') !== undefined)
      return isAllowed
        ? allowPreflight(origin, req.header('access-control-request-headers'))
        : plain(400, 'Disallowed CORS origin', { vary: 'Origin' });
    await next();
    if (!isAllowed) return undefined;
    const headers = { ...allowOrigin(origin), 'access-control-expose-headers': CURSOR_HEADER };
    for (const [name, value] of Object.entries(headers)) context.header(name, value);
    return undefined;
  };
}

function allowOrigin(origin: string) {
  return {
    'access-control-allow-origin': origin,
    'access-control-allow-credentials': 'true',
    vary: 'Origin',
  };
}

function allowPreflight(origin: string, requestedHeaders: string | undefined): Response {
  return plain(200, 'OK', {
    ...allowOrigin(origin),
    'access-control-allow-methods': 'GET, POST',
    'access-control-max-age': MAX_AGE,
    ...(requestedHeaders !== undefined && { 'access-control-allow-headers': requestedHeaders }),
  });
}
