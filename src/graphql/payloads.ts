import type { GraphQLField } from 'graphql';

/**
 * The extensions of a subscription's field that resolves to its payload as it is, whatever its arguments: they only choose
 * which payloads come. Subscribers whose arguments differ may then share what is made of a payload.
 */
export const payloadAsItIs = { extensions: { payloadAsItIs: true } };

export function isPayloadAsItIs(field: GraphQLField<unknown, unknown> | undefined): boolean {
  return field?.extensions.payloadAsItIs === true;
}
