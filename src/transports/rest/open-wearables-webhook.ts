import type { Hono } from 'hono';
import { AppError, type ErrorCode } from '../../errors.ts';
import { BodyError, readBytes } from '../../gate/read-body.ts';
import type { Limits } from '../../limits.ts';
import type { OpenWearablesWebhooks } from '../../sources/open-wearables/webhooks.ts';
import { detail, json } from './answer.ts';
import { bodyFailure } from './failures.ts';
import type { Description } from './route.ts';
import { BASE_PATH } from './routes.ts';

const outcomes = ['recorded', 'duplicate', 'ignored', 'quarantined'];

/** As the API description shows it: it takes no viewer, and so is none of the routes. */
export const webhookDescription = {
  method: 'POST',
  path: '/webhooks/open-wearables',
  operationId: 'receiveOpenWearablesWebhook',
  summary: "Take a delivery of Open Wearables' webhooks",
  description:
    'For `sync.*` and `connection.*` deliveries, signed by Svix over the headers `svix-id`, `svix-timestamp` and the body. Whatever is answered with 200 need not be sent again.',
  parameters: () => ({}),
  body: { description: 'The delivery as it came, byte for byte.', schema: { type: 'object' } },
  answer: {
    status: 200,
    description: 'What became of it; it is durable.',
    type: 'application/json',
    schema: { type: 'object', properties: { status: { type: 'string', enum: outcomes } }, required: ['status'] },
  },
  errors: ['LIMIT_EXCEEDED'],
  isSigned: true,
} as const satisfies Description<Record<never, never>>;

/**
 * Where Open Wearables delivers its webhooks. The credential is the signature. Answered with 200 once it is durable;
 * Svix sends again whatever gets another answer.
 * @param webhooks none if the server has no secret to verify them with
 */
export function addOpenWearablesWebhook(
  app: Hono,
  { webhooks, limits }: { readonly webhooks: OpenWearablesWebhooks | undefined; readonly limits: Limits },
): void {
  const refuse = (status: number, code: ErrorCode, text: string) =>
    json(status, JSON.stringify({ detail: text, code }));
  app.all(`${BASE_PATH}${webhookDescription.path}`, async ({ req }) => {
    if (req.method !== 'POST') return detail(405, 'Method Not Allowed', { allow: 'POST' });
    if (!webhooks)
      return refuse(503, 'UNAVAILABLE', 'Webhooks are not set up here: OPEN_WEARABLES_WEBHOOK_SECRET is not set');
    try {
      const header = (name: string) => req.header(name) ?? '';
      const body = await readBytes(req.raw, limits.webhookBytes);
      const outcome = await webhooks.receive(body, {
        'svix-id': header('svix-id'),
        'svix-timestamp': header('svix-timestamp'),
        'svix-signature': header('svix-signature'),
      });
      return json(200, JSON.stringify({ status: outcome }));
    } catch (error) {
      if (error instanceof BodyError) {
        const { status, message } = bodyFailure(error);
        return refuse(status, error.fault === 'too long' ? 'LIMIT_EXCEEDED' : 'BAD_USER_INPUT', message);
      }
      if (error instanceof AppError && error.code !== 'UNAVAILABLE')
        return refuse(error.httpStatus, error.code, error.message);
      throw error;
    }
  });
}
