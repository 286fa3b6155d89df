import type { ProviderDataType } from '../db/rows.ts';
import type { ReasonClass } from '../reasons/reason-rules.ts';
import type { Backfill } from './backfill.ts';

/** Types of data that a sentence names. */
const NAMED = 5;

/** Why a sync has failed, as a part of a sentence. */
export const why: Readonly<Record<ReasonClass, string>> = {
  RECONNECT_NEEDED: 'the person has to connect again',
  RATE_LIMITED: 'the provider was asked too often, and lets nobody in for a while',
  PROVIDER_DOWN: 'the provider does not answer',
  TIMEOUT: 'it takes too long',
  SCOPE_DENIED: 'the person has not granted what is needed',
  INVALID_DATA: 'what comes cannot be read',
  INTERNAL: 'the platform itself has failed',
  OTHER: 'no rule knows the reason',
};

export function newestOf(failures: number): string {
  return failures > 1 ? `The newest ${failures} syncs have` : 'The newest sync has';
}

export function percentOf({ percent }: Backfill): string {
  return percent === null ? '' : `: ${percent} %`;
}

export function batchesOf(failed: number): string {
  return failed === 1 ? 'a batch' : `${failed} batches`;
}

export function storedOf({ percent }: Backfill): string {
  return percent === null ? '' : `; ${percent} % of it is stored`;
}

/** The names of types in a sentence; of many, the first ones and how many more there are. */
export function namesOf(types: readonly ProviderDataType[]): string {
  const names = types.map(({ dataType }) => onOneLine(dataType));
  if (names.length > NAMED) return `${names.slice(0, NAMED).join(', ')} and ${names.length - NAMED} more`;
  const last = names.pop();
  return names.length > 0 ? `${names.join(', ')} and ${last}` : String(last);
}

/** A producer's word as a part of a sentence, without what breaks lines or turns their direction. */
export function onOneLine(word: string): string {
  return word.replaceAll(/\p{C}+/gu, ' ');
}
