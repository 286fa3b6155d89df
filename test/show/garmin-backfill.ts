import type { Look } from './completeness.ts';
import type { Person, Stage, Told } from './stage.ts';

const anna: Person = { userId: '0d3f6a52-6a1e-4c57-9a44-3c1f8e2b7a01', provider: 'garmin' };
const windows = { total_windows: 3, total_types: 5 };
const hrv = { dataType: 'hrv', state: 'NOT_GRANTED', error: 'HTTP 403 Forbidden' };

/** Thirty days of Garmin's history, in whose middle Garmin lets nobody in, without a type that the person has not granted. */
export async function tellGarminBackfill(stage: Stage, look: Look): Promise<void> {
  const first = backfill('4be07c19');
  const second = backfill('9d20e1f3');

  await stage.add(anna);
  stage.goTo(1, '08:00');
  await stage.deliver(anna, 'connection.created');
  await look('connected', anna);

  stage.goTo(1, '08:01');
  await stage.tell(anna, first('STARTED', { target_days: 30, ...windows }));
  stage.goTo(1, '08:10');
  await stage.tell(anna, live('sleeps', 1));
  await stage.tell(anna, first('PROCESSING', { window: 1, ...windows }, { progress: 1 / 3 }));
  await look('coming in', anna);

  stage.goTo(1, '08:20');
  await stage.tell(anna, first('FAILED', { status_code: 429 }, { error: 'HTTP 429 Too Many Requests' }));
  stage.goTo(1, '09:00');
  await look('rate limited', anna);

  stage.goTo(1, '09:20');
  await stage.tell(
    anna,
    second('STARTED', { current_window: 1, pending_types: ['dailies', 'activityDetails', 'hrv'], ...windows }),
  );
  stage.goTo(1, '09:30');
  await stage.tell(anna, live('dailies', 2));
  await stage.tell(anna, second('PROCESSING', { window: 2, ...windows }, { progress: 2 / 3, dataTypes: [hrv] }));
  await look('denied', anna);

  stage.goTo(1, '10:00');
  await stage.tell(anna, live('activityDetails', 3));
  await stage.tell(anna, second('COMPLETED', { completed_windows: 3 }, { itemsProcessed: 3 }));
  for (let day = 2; day <= 20; day++) {
    stage.goTo(day, '07:00');
    await stage.tell(anna, live('sleeps', day + 1));
  }
  await look('complete but for one type', anna);

  stage.goTo(20, '12:00');
  await stage.deliver(anna, 'connection.revoked', 'deregistration');
  stage.goTo(21, '12:00');
  await look('revoked', anna);

  stage.goTo(22, '18:00');
  await stage.deliver(anna, 'connection.created');
  stage.goTo(22, '19:00');
  await look('connected again', anna);
}

/** What is said of one task of the backfill. Reports of progress are all told as `live`. */
function backfill(trace: string) {
  const runId = `garmin_backfill_${anna.userId}_${trace}`;
  const statuses = { STARTED: 'IN_PROGRESS', PROCESSING: 'IN_PROGRESS', COMPLETED: 'SUCCESS', FAILED: 'FAILED' };
  return (stage: keyof typeof statuses, metadata: object, more: object = {}): Told => ({
    ...{ runId, source: 'BACKFILL', stage, status: statuses[stage], metadata: { trace_id: trace, ...metadata } },
    ...{ scope: stage === 'PROCESSING' ? 'LIVE' : 'HISTORICAL', ...more },
  });
}

/** Garmin pushes: a run of one event, without a start. */
function live(type: string, number: number): Told {
  return {
    ...{ runId: `garmin_webhook_${type}_${number}`, source: 'WEBHOOK', stage: 'COMPLETED', status: 'SUCCESS' },
    ...{ scope: 'LIVE', itemsProcessed: 24, metadata: { summary_type: type, items: 1 } },
  };
}
