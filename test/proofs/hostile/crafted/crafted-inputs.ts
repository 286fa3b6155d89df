import type { GraphQLSchema } from 'graphql';
import type { Input } from '../input.ts';
import type { Target } from '../target.ts';
import { argumentInputs } from './arguments.ts';
import { bodyInputs } from './bodies.ts';
import { documentInputs } from './documents.ts';
import { headerInputs } from './header-fields.ts';
import { rawInputs } from './raw-bytes.ts';
import { restInputs } from './rest-parameters.ts';
import { socketInputs } from './socket-messages.ts';
import { webhookInputs } from './webhook-bodies.ts';

/** Everything that was thought of, each with the credential by which it gets furthest where it does not say another. */
export function craftedInputs(schema: GraphQLSchema, target: Target): Input[] {
  return [
    ...bodyInputs(target),
    ...headerInputs(target),
    ...documentInputs(target),
    ...argumentInputs(schema, target),
    ...rawInputs(target),
    ...restInputs(target),
    ...webhookInputs(target),
    ...socketInputs(target),
  ];
}
