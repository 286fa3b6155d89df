import type { Hono } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { AppError, type ErrorCode } from '../../errors.ts';
import type { Limits } from '../../limits.ts';
import type { OpenWearablesWebhooks } from '../../sources/open-wearables/webhooks.ts';
import { detail, json } from './answer.ts';
import { readBytes } from './json-body.ts';

const PATH = '/api/v1/webhooks/open-wearables';
const codes: Readonly<Record<number, ErrorCode>> = { 400: 'BAD_USER_INPUT', 413: 'LIMIT_EXCEEDED' };

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
  app.all(PATH, async ({ req }) => {
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
      if (error instanceof HTTPException)
        return refuse(error.status, codes[error.status] ?? 'BAD_USER_INPUT', error.message);
      if (error instanceof AppError && error.code !== 'UNAVAILABLE')
        return refuse(error.httpStatus, error.code, error.message);
      throw error;
    }
  });
}
