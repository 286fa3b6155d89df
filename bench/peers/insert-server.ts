import { createServer } from 'node:http';
import { openGroupedLog } from './grouped-log.ts';
import { listenOn, settings } from './listening.ts';
import { textOf } from './request-text.ts';
import type { Draft } from './write-log.ts';

/**
 * An insert server by hand with the promises of `recordSyncEvents` and no GraphQL: `POST /events` with a list of events
 * is answered with their numbers once they are durable, all or none of them.
 */
const log = await openGroupedLog(settings.databaseUrl);

listenOn(
  createServer(async (request, response) => {
    try {
      const results = await log.record(JSON.parse(await textOf(request)) as Draft[]);
      const body = JSON.stringify(results);
      response
        .writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
        .end(body);
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  }),
);
