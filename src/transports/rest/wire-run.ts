import { sourceWords, stageWords, statusWords } from '../../log/words.ts';
import type { WireField } from './wire-fields.ts';
import { count, fraction, text, time, uuid, word } from './wire-values.ts';

/** A run's summary on the wire, in the order of its fields. */
export const wireRunFields: readonly WireField[] = [
  { name: 'run_id', shows: 'runId', value: text },
  { name: 'user_id', shows: 'userId', value: uuid },
  { name: 'provider', shows: 'provider', value: text },
  { name: 'source', shows: 'sourceRaw', value: word(sourceWords) },
  { name: 'stage', shows: 'stageRaw', value: word(stageWords) },
  { name: 'status', shows: 'statusRaw', value: word(statusWords) },
  { name: 'message', shows: 'message', value: text },
  { name: 'progress', shows: 'progress', value: fraction },
  { name: 'items_processed', shows: 'itemsProcessed', value: count },
  { name: 'items_total', shows: 'itemsTotal', value: count },
  { name: 'error', shows: 'error', value: text },
  { name: 'primary_user_id', shows: 'newestPrimaryUserId', value: uuid },
  { name: 'started_at', shows: 'newestStartedAt', value: time },
  { name: 'ended_at', shows: 'endedAt', value: time },
  { name: 'last_update', shows: 'lastEventAt', value: time },
];
