import type { DoorbellBus } from './doorbell-bus.ts';
import type { Instance } from './instance.ts';
import type { Party } from './virtual-time.ts';

/** What a stream may be late while all is well, once a doorbell that was lost says that it is back, and by looks alone. */
const PROMPT_MS = 600;
const TOLD_MS = 1_500;
const BY_LOOK_MS = 6_500;

/** A stream at its instance that has waited for something to tell since a moment. */
export interface WaitingStream {
  readonly instance: Instance;
  readonly waitsSince: number;
}

/** When a stream has told at the latest of what no signal need have told of, since a moment. */
export function dueByLook({ instance, waitsSince }: WaitingStream, since: number): number {
  return Math.max(since, waitsSince, instance.party.troubledUntil) + BY_LOOK_MS;
}

/** When a stream has told at the latest of what somebody has committed. */
export function dueByNews(
  bus: DoorbellBus,
  stream: WaitingStream,
  { committedAt, by }: { readonly committedAt: number; readonly by: Party | undefined },
): number {
  const { instance, waitsSince } = stream;
  const wasWellBefore = committedAt - BY_LOOK_MS;
  if (instance.party.troubledUntil > wasWellBefore || !by?.isWellSince(wasWellBefore))
    return dueByLook(stream, committedAt);
  const wires = [by, instance.party].map((party) => bus.stateOf(party));
  const worksSince = Math.max(...wires.map((wire) => wire.worksSince));
  const since = Math.max(committedAt, waitsSince);
  if (worksSince <= wasWellBefore) return since + PROMPT_MS;
  const isTold = wires.every((wire) => wire.worksSince <= wasWellBefore || wire.isMendTold);
  return isTold && worksSince < Number.POSITIVE_INFINITY
    ? Math.max(since, worksSince) + TOLD_MS
    : dueByLook(stream, committedAt);
}
