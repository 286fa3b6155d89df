import { randomUUID } from 'node:crypto';
import { userId } from '../data/fill.ts';
import type { Shot } from '../measure/load.ts';
import type { Draft } from '../peers/write-log.ts';
import { graphqlShot } from './requests.ts';

/** Events of a batch that belong to the same run of the same user. */
const EVENTS_PER_RUN = 10;
const recordDocument = `mutation ($events: [SyncEventInput!]!) {
  recordSyncEvents(input: { events: $events }) { results { duplicate event { sequence } } } }`;

let runs = 0;

/** New events: of one run each ten, and of the next user each run. */
export function draftsOf(count: number, users: number): Draft[] {
  return Array.from({ length: count }, (_, index): Draft => {
    const step = index % EVENTS_PER_RUN;
    if (step === 0) runs += 1;
    return {
      id: randomUUID(),
      userId: userId(1 + (runs % users)),
      runId: `bench_${runs}`,
      provider: 'garmin',
      source: 'pull',
      stage: 'fetching',
      status: 'in_progress',
      message: `Step ${step} of the daily pull`,
      progress: step / EVENTS_PER_RUN,
      itemsProcessed: step * 10,
      itemsTotal: 100,
      metadata: { page: step },
      timestamp: new Date().toISOString(),
    };
  });
}

/** The drafts as Synclog takes them, with words of enums in capitals. */
export function recordingShot(drafts: readonly Draft[], apiKey: string): Shot {
  const events = drafts.map(({ source, stage, status, ...draft }) => ({
    ...draft,
    source: source.toUpperCase(),
    stage: stage.toUpperCase(),
    status: status.toUpperCase(),
  }));
  return graphqlShot(recordDocument, { events }, { 'x-api-key': apiKey });
}

/** The drafts as the insert server takes them. */
export function insertShot(drafts: readonly Draft[]): Shot {
  return {
    method: 'POST',
    path: '/events',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(drafts),
  };
}
