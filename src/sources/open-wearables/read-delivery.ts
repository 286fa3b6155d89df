import { z } from 'zod';
import type { LinkNews } from '../../connections/tell-link.ts';
import type { DataTypeVerdict } from '../../data-types/fold-verdict.ts';
import { toStorable } from '../../db/columns.ts';
import type { Limits } from '../../limits.ts';
import type { EventDraft } from '../../log/event.ts';
import { fitDraft } from '../fit-draft.ts';
import { object, sayIssue, time, unknownOf, uuid } from './payload-values.ts';
import { readAdded } from './read-entry.ts';
import { readVerdict } from './read-verdict.ts';

/** What a delivery says. */
type DeliveryContent =
  | { readonly kind: 'event'; readonly draft: EventDraft }
  /** Of a connection, or only that there is a user who has one. */
  | {
      readonly kind: 'connection';
      readonly userId: string;
      readonly connectedAt: Date | undefined;
      readonly news: LinkNews | undefined;
    }
  | { readonly kind: 'verdict'; readonly verdict: DataTypeVerdict }
  | { readonly kind: 'unreadable'; readonly detail: string }
  /** A type of delivery that nobody knows here, or its type is known and nothing else of it. */
  | { readonly kind: 'ignored'; readonly reason: 'unknown_type' };

/** `data` of a `sync.*` delivery: it has no time, no stage and no id. */
const syncData = z.looseObject({
  user_id: uuid,
  run_id: z.string(),
  provider: z.string(),
  source: z.string(),
  status: z.string().nullish(),
  message: z.string().nullish(),
  items_processed: z.number().nullish(),
  error: z.string().nullish(),
  metadata: object.nullish(),
});

type SyncData = z.infer<typeof syncData>;

/** For each type of a `sync.*` delivery: what it says that its `data` does not. */
const syncTypes = new Map<
  unknown,
  (data: SyncData, sentAt: Date) => Pick<EventDraft, 'stage' | 'status' | 'startedAt' | 'endedAt' | 'isBeginning'>
>([
  // Its delivery may have failed before, and be repeated after the run has ended.
  [
    'sync.started',
    (_, sentAt) => ({ stage: 'started', status: 'in_progress', startedAt: sentAt, isBeginning: true as const }),
  ],
  ['sync.completed', ({ status }, sentAt) => ({ stage: 'completed', status: status ?? 'success', endedAt: sentAt })],
  ['sync.failed', (_, sentAt) => ({ stage: 'failed', status: 'failed', endedAt: sentAt })],
]);

const connectionData = z.object({
  user_id: uuid,
  provider: z.string().min(1).optional().catch(undefined),
  connection_id: z.string().nullish().catch(undefined),
  connected_at: time.optional().catch(undefined),
  revoked_at: time.optional().catch(undefined),
  reason: z.string().nullish().catch(undefined),
});

/** Reads what a delivery says, as far as it concerns the log: an event that the log can take, cut to its bounds. */
export function readDelivery(
  { type, data, sentAt }: { readonly type: unknown; readonly data: unknown; readonly sentAt: Date },
  limits: Limits,
): DeliveryContent {
  if (type === 'connection.created' || type === 'connection.revoked') {
    const parsed = connectionData.safeParse(data);
    if (!parsed.success) return unreadable(parsed.error);
    return ofConnection(type, parsed.data, sentAt, limits);
  }
  if (type === 'sync.data_type.completed' || type === 'sync.data_type.failed') {
    const read = readVerdict(type, data, sentAt, limits);
    if (!read) return { kind: 'ignored', reason: 'unknown_type' };
    return read.verdict ? { kind: 'verdict', verdict: read.verdict } : unreadable(read.error);
  }
  const complete = syncTypes.get(type);
  if (!complete) return { kind: 'ignored', reason: 'unknown_type' };
  const parsed = syncData.safeParse(data, { reportInput: true });
  if (!parsed.success) return unreadable(parsed.error);
  const whole = { ...draftOf(parsed.data, sentAt), ...complete(parsed.data, sentAt) };
  const { draft, problem } = fitDraft(whole, limits);
  return problem ? { kind: 'unreadable', detail: `${problem.field}: ${problem.message}` } : { kind: 'event', draft };
}

/** Without a time of its own, it is as old as the message. */
function ofConnection(
  type: 'connection.created' | 'connection.revoked',
  data: z.infer<typeof connectionData>,
  sentAt: Date,
  { providerLength, runIdLength }: Limits,
): DeliveryContent {
  const { user_id: userId, provider, connected_at: connectedAt, revoked_at: revokedAt } = data;
  const kind = { kind: 'connection', userId, connectedAt } as const;
  if (provider === undefined) return { ...kind, news: undefined };
  const connectionId = data.connection_id == null ? null : toStorable(data.connection_id, runIdLength);
  const common = { userId, provider: toStorable(provider, providerLength), connectionId };
  return type === 'connection.created'
    ? { ...kind, news: { ...common, kind: 'created', at: connectedAt ?? sentAt } }
    : {
        ...kind,
        news: {
          ...common,
          kind: 'revoked',
          at: revokedAt ?? sentAt,
          reason: toStorable(data.reason ?? 'unknown', providerLength),
        },
      };
}

function draftOf(data: SyncData, sentAt: Date) {
  return {
    userId: data.user_id,
    runId: data.run_id,
    provider: data.provider,
    source: data.source,
    message: data.message,
    itemsProcessed: data.items_processed,
    error: data.error,
    metadata: data.metadata,
    ...readAdded(unknownOf(data, syncData)),
    timestamp: sentAt,
  };
}

function unreadable({ issues: [issue] }: z.ZodError): DeliveryContent {
  return { kind: 'unreadable', detail: `data.${issue?.path.join('.')}: ${issue && sayIssue(issue)}` };
}
