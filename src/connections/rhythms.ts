import type { ProviderLink } from '../db/rows.ts';
import { isObject } from '../lib/json.ts';
import { foldRhythm, type Rhythm, readRhythm } from './rhythm.ts';

/** When the syncs of a connection succeed, which is the platform's rhythm, and when data comes, which is the person's. */
export interface Rhythms {
  readonly success: Rhythm | null;
  readonly data: Rhythm | null;
}

type Kept = ProviderLink['rhythm'];

/** What a connection keeps of both. */
export function readRhythms(kept: Kept): Rhythms {
  const { success, data } = isObject(kept) ? kept : {};
  return { success: readRhythm(success), data: readRhythm(data) };
}

/** Both after one more arrival of one. */
export function foldRhythms(kept: Kept, kind: keyof Rhythms, arrival: Date): Kept {
  const rhythms = readRhythms(kept);
  return { ...rhythms, [kind]: foldRhythm(rhythms[kind], arrival) } as unknown as Kept; // plain numbers and lists of them
}
