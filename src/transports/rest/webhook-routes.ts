import type { Hono } from 'hono';
import { AppError, type ErrorCode } from '../../errors.ts';
import { BodyError, readBytes } from '../../gate/read-body.ts';
import type { Limits } from '../../limits.ts';
import { deliveryOutcomes, type WebhookDescription } from '../../sources/define-source.ts';
import type { OpenWebhook } from '../../sources/open-sources.ts';
import { json } from '../answer.ts';
import { detail } from './rest-answer.ts';
import type { Description } from './route.ts';
import { BASE_PATH } from './routes.ts';

/** A webhook as the API description shows it: it takes no viewer, and so is none of the routes. */
export function describeWebhook(webhook: WebhookDescription): Description<Record<never, never>> {
  const { path, operationId, summary, description, signature } = webhook;
  return {
    method: 'POST',
    path: pathOf(path),
    operationId,
    summary,
    description,
    parameters: () => ({}),
    body: { description: 'The delivery as it came, byte for byte.', schema: { type: 'object' } },
    answer: {
      status: 200,
      description: 'What became of it; it is durable.',
      type: 'application/json',
      schema: {
        type: 'object',
        properties: { status: { type: 'string', enum: deliveryOutcomes } },
        required: ['status'],
      },
    },
    errors: ['LIMIT_EXCEEDED'],
    signedBy: signature.scheme,
  };
}

const pathOf = (path: string) => `/webhooks/${path}`;

/**
 * Where the installed sources deliver. The credential is the signature, which the source verifies. A delivery is
 * answered with 200 once it is durable; its sender sends again whatever gets another answer.
 */
export function addWebhooks(app: Hono, webhooks: readonly OpenWebhook[], { webhookBytes }: Limits): void {
  for (const { description, missing, receive } of webhooks)
    app.all(BASE_PATH + pathOf(description.path), async ({ req }) => {
      if (req.method !== 'POST') return detail(405, 'Method Not Allowed', { allow: 'POST' });
      if (!receive) {
        const reasons = missing.map((name) => `${name} is not set`).join(', ');
        return refuse(503, 'UNAVAILABLE', `Webhooks are not set up here: ${reasons}`);
      }
      try {
        const body = await readBytes(req.raw, webhookBytes);
        const status = await receive({ body, header: (name) => req.header(name) ?? '' });
        return json(200, JSON.stringify({ status }));
      } catch (error) {
        if (error instanceof BodyError)
          return refuse(error.status, error.status === 413 ? 'LIMIT_EXCEEDED' : 'BAD_USER_INPUT', error.message);
        if (error instanceof AppError && error.code !== 'UNAVAILABLE')
          return refuse(error.httpStatus, error.code, error.message);
        throw error;
      }
    });
}

/** A sender's program may tell errors apart by their code, which other answers of REST do not have. */
function refuse(status: number, code: ErrorCode, text: string): Response {
  return json(status, JSON.stringify({ detail: text, code }));
}
