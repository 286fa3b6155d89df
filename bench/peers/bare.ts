import { createServer } from 'node:http';
import { listenOn, settings } from './listening.ts';
import { openRawLog, type RawEvent } from './raw-log.ts';

/**
 * The practical limit of the REST path: `node:http`, one prepared statement, `JSON.stringify`. It knows one route, checks
 * no credential and has no error but 404.
 */
const log = await openRawLog(settings.databaseUrl);
const route = /^\/api\/v1\/users\/([^/]+)\/sync\/recent\?limit=(\d+)$/;

const server = createServer(async ({ url = '' }, response) => {
  const [, userId, limit] = route.exec(url) ?? [];
  if (userId === undefined) {
    response.writeHead(404).end();
    return;
  }
  const events = await log.recent(userId, Number(limit));
  const body = JSON.stringify(events.map(shown));
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
});
listenOn(server);

/** An event as Open Wearables' REST shows it. */
function shown(event: RawEvent) {
  return {
    event_id: event.id,
    run_id: event.run_id,
    user_id: event.user_id,
    provider: event.provider,
    source: event.source,
    stage: event.stage,
    status: event.status,
    message: event.message,
    progress: event.progress,
    items_processed: event.items_processed,
    items_total: event.items_total,
    error: event.error,
    primary_user_id: event.primary_user_id,
    metadata: event.metadata,
    started_at: time(event.started_at),
    ended_at: time(event.ended_at),
    timestamp: time(event.timestamp),
  };
}

function time(value: Date | null): string | null {
  if (value === null) return null;
  const text = value.toISOString();
  return text.endsWith('.000Z') ? `${text.slice(0, -5)}Z` : `${text.slice(0, -1)}000Z`;
}
