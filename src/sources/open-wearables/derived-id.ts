import { createHash } from 'node:crypto';

/** Drawn once; ids derived under another one would be other ids. */
const NAMESPACE = Buffer.from('7a0e6a3f7c1d4b0a9d5e2f9c61b8d4e7', 'hex');

/** Stages that Open Wearables tells of by webhook. */
const delivered: ReadonlySet<string> = new Set(['started', 'completed', 'failed']);

interface Stage {
  readonly userId: string;
  readonly runId: string;
  readonly stage: string;
}

/**
 * The id of the event that a webhook makes of a stage of a user's run: there is at most one delivery of each type for a run,
 * and run ids need not differ between users. Undefined for stages without webhooks.
 */
export function deliveryId({ userId, runId, stage }: Stage): string | undefined {
  return delivered.has(stage) ? derivedId(`${userId} sync.${stage}.${runId}`) : undefined;
}

/** The id that the same event had before ids were derived from the user as well. A log may hold it under this one. */
export function formerDeliveryId({ runId, stage }: Stage): string | undefined {
  return delivered.has(stage) ? derivedId(`sync.${stage}.${runId}`) : undefined;
}

/** The UUID (version 5 of RFC 9562) that a name always has. */
function derivedId(name: string): string {
  const bytes = createHash('sha1').update(NAMESPACE).update(name).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x50, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
