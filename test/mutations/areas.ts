import { access } from './access.ts';
import { database } from './database.ts';
import { doors } from './doors.ts';
import type { Area } from './fault.ts';
import { follow } from './follow.ts';
import { instances } from './instances.ts';
import { operations } from './operations.ts';
import { reading } from './reading.ts';
import { recording } from './recording.ts';
import { refolding } from './refolding.ts';
import { retention } from './retention.ts';
import { runs } from './runs.ts';

/** All faults that are planted. */
export const areas: readonly Area[] = [
  recording,
  refolding,
  follow,
  reading,
  retention,
  operations,
  instances,
  database,
  runs,
  doors,
  access,
];
