import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { inPieces } from '../lib/in-pieces.ts';
import type { Outage } from '../lib/outages.ts';
import type { LogChange, WakeUps } from './wake-ups.ts';

/** A wire between the instances: whatever is sent reaches all of them, at best. */
export interface DoorbellWire {
  /** Sends a text of at most 7,000 bytes. It may be lost, and nobody is told. */
  send(message: string): void;
  close(): Promise<void>;
}

/** What a wire reports. */
export interface DoorbellEvents {
  /** A message came in, perhaps one's own. */
  readonly onMessage: (message: string) => void;
  /** The wire works again after a time in which messages may have been lost. */
  readonly onGap: () => void;
  readonly onError: (error: unknown) => void;
}

/** Opens a wire; NOTIFY and Redis are two of them. */
export type ConnectWire = (events: DoorbellEvents) => DoorbellWire;

/** How long changes are collected into one message. */
const COLLECT_MS = 2;
/** Users of one message: 60 bytes each stay well below the 8,000 that NOTIFY takes. */
const USERS_PER_MESSAGE = 100;

/** On the wire, in the place of changes: there may be some that could not be sent. */
const LOOK = 'look';

/** On the wire, behind a user of whom something beside the log has changed. */
const TOUCHED = 'touched';

/** On the wire: the user, and the heads before and after; the user alone once deleted. */
type WireChange =
  | readonly [userId: string]
  | readonly [userId: string, said: typeof TOUCHED]
  | readonly [userId: string, previousHead: number, head: number];

/**
 * Carries wake-ups to the other instances and theirs to this one. It is a doorbell only: what it says is never taken
 * for the log, and what it fails to say is found by looking. Once a wire that was down is back, neither this instance nor
 * the others know what they have missed of each other, so all of them look.
 */
export function connectDoorbell(wakeUps: WakeUps, connect: ConnectWire, outage: Outage): { close(): Promise<void> } {
  const self = randomUUID();
  /** How one's own messages begin: they come back, and are not taken apart for nothing. */
  const ownStart = JSON.stringify([self]).slice(0, -1);
  const collected = new Map<string, LogChange>();
  let timer: NodeJS.Timeout | undefined;

  const wire = connect({
    onError: outage.failed,
    onGap() {
      outage.works();
      wire.send(JSON.stringify([self, LOOK]));
      wakeUps.tellGap();
    },
    onMessage(message) {
      if (message.startsWith(ownStart)) return;
      const said = parse(message);
      if (said === LOOK) wakeUps.tellGap();
      else for (const change of said) wakeUps.hear(change);
    },
  });
  const stopRelaying = wakeUps.relay((change) => {
    const key = change.kind === 'touched' ? `${TOUCHED} ${change.userId}` : change.userId;
    collected.set(key, merge(collected.get(key), change));
    // A deletion must not be merged with what a new log under the same id says.
    if (change.kind === 'deleted') send();
    else timer ??= setTimeout(send, COLLECT_MS);
  });

  function send(): void {
    clearTimeout(timer);
    timer = undefined;
    const changes = [...collected.values()].map(toWire);
    collected.clear();
    for (const some of inPieces(changes, USERS_PER_MESSAGE)) wire.send(JSON.stringify([self, some]));
  }

  return {
    async close() {
      stopRelaying();
      send();
      await wire.close();
    },
  };
}

function merge(earlier: LogChange | undefined, later: LogChange): LogChange {
  if (earlier?.kind !== 'grown' || later.kind !== 'grown') return later;
  return { ...later, previousHead: Math.min(earlier.previousHead, later.previousHead) };
}

function toWire(change: LogChange): WireChange {
  if (change.kind === 'grown') return [change.userId, change.previousHead, change.head];
  return change.kind === 'deleted' ? [change.userId] : [change.userId, TOUCHED];
}

/** No message of ours is longer, in UTF-16 code units. */
const LONGEST_MESSAGE = 8_000;
/** What the column of a sequence can hold. */
const LARGEST_SEQUENCE = 2 ** 31 - 1;

const wireMessage = z.tuple([z.string(), z.union([z.literal(LOOK), z.array(z.unknown()).max(USERS_PER_MESSAGE)])]);
const sequence = z.int().max(LARGEST_SEQUENCE);
const wireChange = z.union([
  z.tuple([z.uuid()]),
  z.tuple([z.uuid(), z.literal(TOUCHED)]),
  z.tuple([z.uuid(), sequence.nonnegative(), sequence.positive()]),
]);

/** Whatever is not a message of ours says nothing; the changes that can be read do, also beside others. */
function parse(message: string): typeof LOOK | LogChange[] {
  if (message.length > LONGEST_MESSAGE) return [];
  const { data } = wireMessage.safeParse(parseJson(message));
  const [, said] = data ?? ['', []];
  if (said === LOOK) return said;
  return said.flatMap((each) => {
    const change = wireChange.safeParse(each).data;
    if (!change) return [];
    const [userId, said, head] = change;
    if (said === undefined) return { kind: 'deleted', userId };
    return said === TOUCHED || head === undefined
      ? { kind: 'touched', userId }
      : { kind: 'grown', userId, previousHead: said, head };
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
