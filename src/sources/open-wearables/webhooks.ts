// The package's main module would load a client for all of Svix' API.
import { Webhook, WebhookVerificationError } from 'svix/dist/webhook.js';
import { z } from 'zod';
import { AppError } from '../../errors.ts';
import type { EventDraft, SyncEvent } from '../../log/event.ts';
import type { Services } from '../../services.ts';
import { fitDraft } from '../fit-draft.ts';
import type { Source } from '../source.ts';
import { deliveryId } from './derived-id.ts';
import { object, time, uuid } from './payload-values.ts';

const WEBHOOKS_NAME = 'open-wearables-webhooks';

/** What became of a delivery. Every one of these is final: Open Wearables need not send it again. */
type DeliveryOutcome = 'recorded' | 'duplicate' | 'ignored' | 'quarantined';

/** Headers of a delivery, in lower case. */
interface DeliveryHeaders {
  readonly 'svix-id': string;
  readonly 'svix-timestamp': string;
  readonly 'svix-signature': string;
}

/** Takes Open Wearables' outgoing webhooks, which Svix signs and delivers at least once and in any order. */
export interface OpenWearablesWebhooks {
  /**
   * Resolves once what the delivery says is durable.
   * @param body the bytes as they came
   * @throws AppError UNAUTHENTICATED for a signature that is wrong or more than 5 minutes old, BAD_USER_INPUT for a
   * body that is no JSON object, UNAVAILABLE
   */
  receive(body: Buffer, headers: DeliveryHeaders): Promise<DeliveryOutcome>;
}

/** `data` of a `sync.*` delivery: it has no time, no stage and no id. */
const syncData = z.object({
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

/** What the types say that their data does not. */
const syncTypes = new Map<
  unknown,
  (data: SyncData, sentAt: Date) => Pick<EventDraft, 'stage' | 'status' | 'startedAt' | 'endedAt'>
>([
  ['sync.started', (_, sentAt) => ({ stage: 'started', status: 'in_progress', startedAt: sentAt })],
  ['sync.completed', ({ status }, sentAt) => ({ stage: 'completed', status: status ?? 'success', endedAt: sentAt })],
  ['sync.failed', (_, sentAt) => ({ stage: 'failed', status: 'failed', endedAt: sentAt })],
]);

const connectionData = z.object({ user_id: uuid, connected_at: time.optional().catch(undefined) });

/** Opens the door for deliveries that are signed with a secret. */
export async function openWebhooks(
  secret: string,
  { services, clock }: { readonly services: Services; readonly clock: () => number },
): Promise<OpenWearablesWebhooks> {
  const source = await services.sources.open(WEBHOOKS_NAME, { exclusive: false });
  source.report({ state: 'live', connectedAt: new Date(clock()) });
  const webhook = new Webhook(secret);
  return {
    async receive(body, headers) {
      const { type, data } = verify(webhook, body, headers);
      const delivery = {
        type,
        data,
        text: body.toString(),
        sentAt: new Date(Number.parseInt(headers['svix-timestamp'], 10) * 1000),
      };
      const outcome = await take(delivery, source, services);
      source.count(countOf[outcome]);
      return outcome;
    },
  };
}

/** Those in quarantine are counted there. */
const countOf = {
  recorded: { recorded: 1 },
  duplicate: { duplicates: 1 },
  ignored: { ignored: 1 },
  quarantined: {},
} as const;

function verify(webhook: Webhook, body: Buffer, headers: DeliveryHeaders): { type: unknown; data: unknown } {
  let json: unknown;
  try {
    json = webhook.verify(body, { ...headers });
  } catch (error) {
    if (error instanceof WebhookVerificationError) throw new AppError('UNAUTHENTICATED', error.message);
    if (error instanceof SyntaxError) throw new AppError('BAD_USER_INPUT', 'The body must be JSON');
    throw error;
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new AppError('BAD_USER_INPUT', 'The body must be a JSON object');
  return { type: undefined, data: undefined, ...json };
}

interface Delivery {
  readonly type: unknown;
  readonly data: unknown;
  readonly text: string;
  readonly sentAt: Date;
}

async function take(delivery: Delivery, source: Source, services: Services): Promise<DeliveryOutcome> {
  const { type, data, sentAt } = delivery;
  const quarantine = async (reason: 'bad_event' | 'event_id_conflict', detail: string) => {
    const entry = { reason, detail, place: String(type), text: delivery.text };
    source.count({ quarantined: await services.sources.quarantine.add(source.name, [entry]) });
    return 'quarantined' as const;
  };

  if (type === 'connection.created') {
    const parsed = connectionData.safeParse(data);
    if (!parsed.success) return quarantine('bad_event', explain(parsed.error));
    await services.users.ensure(new Map([[parsed.data.user_id, parsed.data.connected_at]]));
    return 'ignored';
  }
  const complete = syncTypes.get(type);
  if (!complete) return 'ignored';
  const parsed = syncData.safeParse(data);
  if (!parsed.success) return quarantine('bad_event', explain(parsed.error));
  const { draft, problem } = fitDraft(
    { ...draftOf(parsed.data, sentAt), ...complete(parsed.data, sentAt) },
    services.limits,
  );
  if (problem) return quarantine('bad_event', `${problem.field}: ${problem.message}`);
  return (await record(draft, services)) ?? quarantine('event_id_conflict', 'the run has sent other content before');
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
    timestamp: sentAt,
  };
}

/** How often it is looked whether the log has the event: another instance may be recording the same delivery. */
const ATTEMPTS = 2;

/** Nothing if the log has the event with other content. */
async function record(event: EventDraft, { log, users }: Services): Promise<DeliveryOutcome | undefined> {
  const draft = { ...event, id: deliveryId(event) };
  await users.ensure(new Map([[draft.userId, undefined]]));
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const earlier = await findLike(draft, { log, users });
    const own = earlier.find(({ id }) => id === draft.id);
    // The run has reported this over Redis, or by another way.
    if (!own && earlier.length > 0) return 'duplicate';
    try {
      const [recorded] = await log.record([own ? { ...draft, ...timesOf(own) } : draft]);
      return recorded?.duplicate ? 'duplicate' : 'recorded';
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      // The user was deleted. The time of a delivery does not say whether it is of before that.
      if (error.code === 'NOT_FOUND') return 'ignored';
      if (error.code !== 'EVENT_ID_CONFLICT') throw error;
    }
  }
  return undefined;
}

/** Events of the same run and stage. */
async function findLike(
  { userId, runId, stage }: EventDraft,
  { log, users }: Pick<Services, 'log' | 'users'>,
): Promise<readonly SyncEvent[]> {
  const [user] = await users.byIds([userId]);
  if (!user) return [];
  const [events = []] = await log.readPages([
    {
      log: { userId, headSequence: user.headSequence, tailSequence: user.tailSequence },
      filter: { runId, stages: [stage] },
      limit: 200,
      newest: true,
    },
  ]);
  return events;
}

/** Svix signs each attempt with a time of its own; the first one that got through counts. */
function timesOf({ startedAt, endedAt, timestamp }: SyncEvent) {
  return { startedAt, endedAt, timestamp };
}

function explain({ issues: [issue] }: z.ZodError): string {
  return `data.${issue?.path.join('.')}: ${issue?.message}`;
}
