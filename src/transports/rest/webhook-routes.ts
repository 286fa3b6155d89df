import type { HttpBindings } from '@hono/node-server';
import type { Hono } from 'hono';
import { AppError, type ErrorCode, headersOf } from '../../errors.ts';
import type { Gate } from '../../gate/gate.ts';
import { BodyError, readBytes } from '../../gate/read-body.ts';
import type { Limits } from '../../limits.ts';
import { deliveryOutcomes, type WebhookDescription } from '../../sources/define-source.ts';
import type { OpenWebhook } from '../../sources/open-sources.ts';
import { type Headers, json } from '../answer.ts';
import type { RequestLog } from '../request-log.ts';
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
 * answered with 200 once it is durable; its sender sends again whatever gets another answer. So does one that delivers too
 * much at once, from its own address: whoever else sends there takes nothing from the true sender.
 */
export function addWebhooks(
  app: Hono<{ Bindings: HttpBindings }>,
  webhooks: readonly OpenWebhook[],
  { webhookBytes }: Limits,
  { gate: { rates, addresses }, requestLog }: { readonly gate: Gate; readonly requestLog: RequestLog },
): void {
  for (const { description, missing, receive } of webhooks)
    app.all(BASE_PATH + pathOf(description.path), async ({ req, env }) => {
      const entry = requestLog.of(env.incoming);
      if (entry) Object.assign(entry, { door: 'webhook', operation: description.path });
      if (req.method !== 'POST') return detail(405, 'Method Not Allowed', { allow: 'POST' });
      if (!receive) {
        const reasons = missing.map((name) => `${name} is not set`).join(', ');
        return refuse(503, 'UNAVAILABLE', `Webhooks are not set up here: ${reasons}`);
      }
      try {
        rates.take('deliveries', `${description.path} ${addresses.of(env.incoming)}`, 1, 'webhook');
        const body = await readBytes(req.raw, webhookBytes);
        const status = await receive({ body, header: (name) => req.header(name) ?? '' });
        return json(200, JSON.stringify({ status }));
      } catch (error) {
        if (error instanceof BodyError)
          return refuse(error.status, error.status === 413 ? 'LIMIT_EXCEEDED' : 'BAD_USER_INPUT', error.message);
        if (error instanceof AppError && error.code !== 'UNAVAILABLE')
          return refuse(error.httpStatus, error.code, error.message, headersOf(error));
        throw error;
      }
    });
}

/** A sender's program may tell errors apart by their code, which other answers of REST do not have. */
function refuse(status: number, code: ErrorCode, text: string, headers: Headers = {}): Response {
  return json(status, JSON.stringify({ detail: text, code }), headers);
}
