import type { Limits } from '../../limits.ts';
import type { StatedReason } from '../event.ts';

// What is wrong with one value of an event, in words that read on after its name; undefined when nothing is.

export function checkText(text: string | null | undefined, min: number, max: number): string | undefined {
  if (text == null) return undefined;
  if (text.length < min) return 'must not be empty';
  if (text.length > max) return `must have at most ${max} characters, it has ${text.length}`;
  return checkCharacters(text);
}

export function checkCharacters(text: string): string | undefined {
  if (text.includes('\0')) return 'must not contain a NUL character';
  if (!text.isWellFormed()) return 'must be well-formed Unicode: it contains a lone surrogate';
  return undefined;
}

export function checkCount(count: number | null | undefined, { itemCount }: Limits): string | undefined {
  if (count == null || (Number.isInteger(count) && count >= 0 && count <= itemCount)) return undefined;
  return `must be a whole number from 0 to ${itemCount}`;
}

export function checkTime(time: Date | null | undefined, limits: Limits): string | undefined {
  if (time == null) return undefined;
  const { earliest, latest } = timeBoundsOf(limits);
  const ms = time.getTime();
  return ms >= earliest && ms < latest
    ? undefined
    : `must be from ${limits.earliestTime} to before ${limits.latestTime}`;
}

interface TimeBounds {
  /** Milliseconds since 1970. */
  readonly earliest: number;
  readonly latest: number;
}

/** Parsed once. */
const timeBounds = new WeakMap<Limits, TimeBounds>();

function timeBoundsOf(limits: Limits): TimeBounds {
  const known = timeBounds.get(limits);
  if (known) return known;
  const bounds = { earliest: Date.parse(limits.earliestTime), latest: Date.parse(limits.latestTime) };
  timeBounds.set(limits, bounds);
  return bounds;
}

/** @returns what is wrong with the first part that is wrong, after its name. */
export function checkReason(reason: StatedReason, limits: Limits): string | undefined {
  const parts = {
    class: checkText(reason.class, 1, limits.providerLength),
    actor: checkText(reason.actor, 1, limits.providerLength),
    text: checkText(reason.text, 0, limits.errorLength),
  };
  const wrong = Object.entries(parts).find(([, problem]) => problem);
  return wrong?.join(' ');
}
