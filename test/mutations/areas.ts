import { database } from './database.ts';
import type { Area } from './fault.ts';
import { follow } from './follow.ts';
import { instances } from './instances.ts';
import { recording } from './recording.ts';

/** All faults that are planted. */
export const areas: readonly Area[] = [recording, follow, instances, database];
