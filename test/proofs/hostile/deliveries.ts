import { Webhook } from 'standardwebhooks';
import type { HttpInput } from './input.ts';
import { webhookSecret } from './target.ts';

export const webhookPath = '/api/v1/webhooks/open-wearables';

let deliveries = 0;

/** A delivery that is signed as Open Wearables signs it, or by somebody else. */
export function deliveryOf(content: unknown, { secret = webhookSecret, at = new Date() } = {}): HttpInput {
  const body = typeof content === 'string' ? content : JSON.stringify(content);
  deliveries += 1;
  const id = `msg_${deliveries}`;
  const headers = {
    'content-type': 'application/json',
    'svix-id': id,
    'svix-timestamp': String(Math.floor(at.getTime() / 1000)),
    'svix-signature': new Webhook(secret).sign(id, at, body),
  };
  return { kind: 'deliveries', door: 'webhooks', form: 'http', method: 'POST', path: webhookPath, headers, body };
}
