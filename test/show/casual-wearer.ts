import type { Look } from './completeness.ts';
import type { Person, Stage } from './stage.ts';

const cleo: Person = { userId: '0d3f6a52-6a1e-4c57-9a44-3c1f8e2b7a03', provider: 'oura' };
/** Days on which the ring was worn. After the last one it lies in a drawer. */
const worn = [1, 3, 6, 8, 9, 13, 15, 18, 20, 24, 26, 29, 33, 35, 38, 41, 43, 45];
const days = 60;

/** Sixty days of hourly pulls of somebody who wears a device now and then, stops for good; once the platform pulls nothing. */
export async function tellCasualWearer(stage: Stage, look: Look): Promise<void> {
  await stage.add(cleo);
  for (let day = 1; day <= days; day++) {
    for (let hour = 0; hour < 24; hour++) {
      stage.goTo(day, `${String(hour).padStart(2, '0')}:00`);
      if (day === 40 && hour === 12) await look('platform pulls nothing', cleo);
      if (day === 40 && hour < 18) continue;
      await pull(stage, day * 24 + hour, hour === 9 && worn.includes(day) ? 42 : 0);
      if (day === 32 && hour === 12) await look('worn now and then', cleo);
    }
  }
  await look('worn no more', cleo);
}

async function pull(stage: Stage, number: number, saved: number): Promise<void> {
  const run = { runId: `pull_${number}`, source: 'PULL', scope: 'LIVE' };
  const params = {
    workouts: { success: 0 },
    data_247: { success: true, saved: true, heart_rate: saved, sleep: 0 },
  };
  await stage.tell(cleo, {
    ...{ ...run, stage: 'COMPLETED', progress: 1, itemsProcessed: saved },
    status: saved > 0 ? 'SUCCESS' : 'SKIPPED', // as Open Wearables says of a pull that has found nothing new
    metadata: { is_historical: false, params },
  });
}
