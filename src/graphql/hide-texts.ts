import {
  defaultFieldResolver,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  isNonNullType,
  isObjectType,
} from 'graphql';
import type { ProducerText } from '../auth/producer-texts.ts';
import type { Context } from './context.ts';

/** Every field that shows what producers write freely, and the word by which the setting `USER_VISIBLE` names it. */
export const fieldsOfTexts = {
  'SyncEvent.message': 'message',
  'SyncRun.message': 'message',
  'SyncEvent.error': 'error',
  'SyncRun.error': 'error',
  'SyncRun.milestoneError': 'error',
  'SyncReason.text': 'error',
  'DataTypeSync.error': 'error',
  'DataTypeSync.errorCode': 'error',
  'ProviderLink.problem': 'error',
  'SyncEvent.metadata': 'metadata',
  'SyncEvent.extra': 'metadata',
  'SyncRun.traceId': 'metadata',
  'DataTypeSync.nativeType': 'metadata',
} as const satisfies Record<string, ProducerText>;

/**
 * Makes each field of the table null to viewers from whom its text is hidden, and `{}` where it cannot be null. Every door
 * shows events, runs and connections by these fields.
 * @throws for a field that the schema does not have
 */
export function hideTexts(schema: GraphQLSchema): GraphQLSchema {
  for (const [coordinate, text] of Object.entries(fieldsOfTexts)) {
    const [typeName = '', fieldName = ''] = coordinate.split('.');
    const type = schema.getType(typeName);
    const field = isObjectType(type) ? type.getFields()[fieldName] : undefined;
    if (!field) throw new Error(`There is no field ${coordinate}`);
    const read = field.resolve ?? defaultFieldResolver;
    const hidden = isNonNullType(field.type) ? {} : null;
    // What reads only its object needs none of the last parameter; with it, a field would not be plain.
    const info = { fieldName } as GraphQLResolveInfo;
    const resolve = (source: unknown, args: object, context: Context) =>
      context.hidden[text] ? hidden : read(source, args, context, info);
    field.resolve = resolve;
    field.extensions = { ...field.extensions, pothosOriginalResolve: resolve };
    field.description = `${field.description} ${hidden ? 'Empty' : 'Null'} for a user token, unless \`USER_VISIBLE\` names \`${text}\`.`;
  }
  return schema;
}
