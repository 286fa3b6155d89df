import { Webhook, WebhookVerificationError } from 'standardwebhooks';
import { z } from 'zod';
import { AppError } from '../../errors.ts';
import { parseJson } from '../../lib/parse-json.ts';
import { readUtf8 } from '../../lib/utf8.ts';
import { type Delivery, defineSource, type Receiver, type SourceTools } from '../define-source.ts';
import type { IgnoredReason } from '../ignored-entries.ts';
import type { QuarantineReason } from '../quarantine.ts';
import { readDelivery } from './read-delivery.ts';
import { recordDelivery } from './record-delivery.ts';

/** Open Wearables' outgoing webhooks, which Svix signs and delivers at least once and in any order. */
export const openWearablesWebhooks = defineSource({
  name: 'open-wearables-webhooks',
  settings: {
    OPEN_WEARABLES_WEBHOOK_SECRET: z
      .string()
      .regex(
        /^whsec_[A-Za-z0-9+/]{22,}={0,2}$/,
        "must be the endpoint's signing secret, whsec_ and the base64 of 16 bytes or more",
      ),
  },
  webhook: {
    path: 'open-wearables',
    operationId: 'receiveOpenWearablesWebhook',
    summary: "Take a delivery of Open Wearables' webhooks",
    description:
      'For `sync.*` and `connection.*` deliveries, signed by Svix over the headers `svix-id`, `svix-timestamp` and the body. Whatever is answered with 200 need not be sent again.',
    signature: {
      scheme: 'svix',
      header: 'svix-signature',
      description: "Made with the secret of the webhook's endpoint, over the body and two other headers.",
    },
    createReceiver({ OPEN_WEARABLES_WEBHOOK_SECRET: secret }, tools) {
      const webhook = new Webhook(secret);
      return (delivery) => take(verify(webhook, delivery), tools);
    },
  },
});

/** A delivery that Svix has signed. */
interface SignedDelivery {
  readonly type: unknown;
  readonly data: unknown;
  readonly text: string;
  /** When Svix signed this attempt. */
  readonly sentAt: Date;
}

/**
 * @throws AppError UNAUTHENTICATED for a signature that is wrong or more than 5 minutes old, BAD_USER_INPUT for a body
 * that is no JSON object
 */
function verify(webhook: Webhook, { body, header }: Delivery): SignedDelivery {
  const text = readUtf8(body);
  if (text === undefined) throw new AppError('BAD_USER_INPUT', 'The body must be JSON in UTF-8');
  const timestamp = header('svix-timestamp');
  try {
    const signed = {
      'webhook-id': header('svix-id'),
      'webhook-timestamp': timestamp,
      'webhook-signature': header('svix-signature'),
    };
    webhook.verify(body, signed, { jsonParse: false });
  } catch (error) {
    if (error instanceof WebhookVerificationError) throw new AppError('UNAUTHENTICATED', error.message);
    throw error;
  }
  const json = parseText(text);
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new AppError('BAD_USER_INPUT', 'The body must be a JSON object');
  return {
    ...{ type: undefined, data: undefined, ...json },
    text,
    sentAt: new Date(Number.parseInt(timestamp, 10) * 1000),
  };
}

function parseText(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    throw new AppError('BAD_USER_INPUT', 'The body must be JSON');
  }
}

async function take(delivery: SignedDelivery, tools: SourceTools): ReturnType<Receiver> {
  const { type, text } = delivery;
  const ignored = (reason: IgnoredReason) => ({ ignored: reason, type: typeof type === 'string' ? type : null });
  const unreadable = (reason: QuarantineReason, detail: string) => ({ reason, detail, place: String(type), text });
  const content = readDelivery(delivery, tools.limits);
  switch (content.kind) {
    case 'ignored':
      return ignored(content.reason);
    case 'unreadable':
      return unreadable('bad_event', content.detail);
    case 'connection':
      // Of a connection that is over, nobody has to be known.
      if (type === 'connection.created') await tools.users.ensure(new Map([[content.userId, content.connectedAt]]));
      if (!content.news) return ignored('no_event');
      return (
        (await tools.connections.tell(content.news))?.outcome ??
        ignored(type === 'connection.created' ? 'deleted_user' : 'unknown_user')
      );
    case 'verdict': {
      const outcome = await tools.dataTypes.tell(content.verdict);
      if (outcome === 'nowhere') return ignored('no_event');
      return outcome === 'unknown_user' ? ignored(outcome) : outcome;
    }
    case 'event': {
      const outcome = await recordDelivery(content.draft, tools);
      if (outcome === 'of_deleted_user') return ignored('deleted_user');
      return outcome ?? unreadable('event_id_conflict', 'the run has sent other content before');
    }
  }
}
