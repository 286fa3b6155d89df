import type { Look } from './completeness.ts';
import type { Person, Stage, Told } from './stage.ts';

const ben: Person = { userId: '0d3f6a52-6a1e-4c57-9a44-3c1f8e2b7a02', provider: 'apple' };
const runId = 'sdk_9f3c8ea4-51d2-4c07-b1ce-2f6a70d4e815';
const types = ['heart_rate', 'steps', 'oxygen_saturation'];
const batches = 31;
const failing = [16, batches];

/** A phone's history in 31 batches of one run, of which one in the middle fails, and the last one. Nothing says that it ends. */
export async function tellPhoneExport(stage: Stage, look: Look): Promise<void> {
  await stage.add(ben);
  stage.goTo(1, '19:00');
  const announced = { sdk_version: '0.16.0', types_declared: types.length, samples_expected: 100 * batches };
  await stage.tell(ben, started(runId, 'HISTORICAL', announced));
  await stage.deliver(ben, 'connection.created');
  for (let batch = 1; batch <= batches; batch++) {
    const batch_id = `batch-${batch}`;
    stage.goTo(1, `19:${String(batch).padStart(2, '0')}:00`);
    await stage.tell(ben, started(runId, 'HISTORICAL', { batch_id }));
    if (batch === 17) await look('coming in batches', ben);
    stage.goTo(1, `19:${String(batch).padStart(2, '0')}:40`);
    await stage.tell(ben, failing.includes(batch) ? failed(batch_id) : saved(runId, 'HISTORICAL', batch_id, 100));
  }

  stage.goTo(2, '07:00');
  await stage.tell(ben, started('live-1', 'LIVE', { batch_id: 'live-1' }));
  await stage.tell(ben, saved('live-1', 'LIVE', 'live-1', 12));
  stage.goTo(2, '08:00');
  await look('batches are missing', ben);
}

function started(run: string, scope: string, metadata: object): Told {
  return { runId: run, source: 'SDK', scope, stage: 'STARTED', status: 'IN_PROGRESS', metadata };
}

function saved(run: string, scope: string, batch_id: string, records: number): Told {
  const counts = { records_saved: records, inserted: records, updated: 0, workouts_saved: 0, sleep_saved: 0 };
  return {
    ...{ runId: run, source: 'SDK', scope, stage: 'COMPLETED', status: 'SUCCESS', progress: 1 },
    ...{ itemsProcessed: records, metadata: { batch_id, ...counts, types, dropped_count: 0 } },
  };
}

function failed(batch_id: string): Told {
  return {
    ...{ runId, source: 'SDK', scope: 'HISTORICAL', stage: 'FAILED', status: 'FAILED' },
    ...{ error: 'Import failed: disk full', metadata: { batch_id, status_code: 400 } },
  };
}
