import { type ColumnTypes, insertionInto } from '../../db/insertion.ts';
import type { SyncRun } from '../../db/rows.ts';
import type { SyncEvent } from '../event.ts';

const eventTypes: ColumnTypes<SyncEvent> = {
  userId: 'uuid',
  sequence: 'int',
  id: 'uuid',
  runId: 'text',
  provider: 'text',
  source: 'text',
  stage: 'text',
  status: 'text',
  message: 'text',
  progress: 'float8',
  itemsProcessed: 'int',
  itemsTotal: 'int',
  error: 'text',
  primaryUserId: 'uuid',
  metadata: 'jsonb',
  startedAt: 'timestamptz',
  endedAt: 'timestamptz',
  timestamp: 'timestamptz',
  recordedAt: 'timestamptz',
  late: 'boolean',
};

const runTypes: ColumnTypes<SyncRun> = {
  userId: 'uuid',
  runId: 'text',
  provider: 'text',
  source: 'text',
  stage: 'text',
  status: 'text',
  message: 'text',
  progress: 'float8',
  itemsProcessed: 'int',
  itemsTotal: 'int',
  error: 'text',
  primaryUserId: 'uuid',
  newestPrimaryUserId: 'uuid',
  startedAt: 'timestamptz',
  endedAt: 'timestamptz',
  lastEventAt: 'timestamptz',
  lastSequence: 'int',
  eventCount: 'int',
  finished: 'boolean',
  recordedAt: 'timestamptz',
  change: 'bigint',
};

export const eventInsertion = insertionInto('sync_event', eventTypes);
export const runUpsert = insertionInto('sync_run', runTypes, ['userId', 'runId']);
