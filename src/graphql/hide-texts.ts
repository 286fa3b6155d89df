import {
  defaultFieldResolver,
  type GraphQLField,
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

/** Every field in which a user's log may name another user, whom no setting shows to a user token. */
export const fieldsOfOthers = [
  'SyncEvent.primaryUserId',
  'SyncRun.primaryUserId',
  'SyncRun.newestPrimaryUserId',
] as const;

type Field = GraphQLField<unknown, Context>;

/** What reads only its object needs no more; with a parameter more, a field would not be plain. */
type Resolve = (source: unknown, args: object, context: Context) => unknown;

/**
 * Makes each field of the tables null to viewers from whom it is hidden, and `{}` where it cannot be null. Every door
 * shows events, runs and connections by these fields.
 * @throws for a field that the schema does not have
 */
export function hideTexts(schema: GraphQLSchema): GraphQLSchema {
  for (const [coordinate, text] of Object.entries(fieldsOfTexts)) {
    const field = fieldAt(schema, coordinate);
    const hidden = isNonNullType(field.type) ? {} : null;
    replaceResolve(
      field,
      (read) => (source, args, context) => (context.hidden[text] ? hidden : read(source, args, context)),
    );
    field.description = `${field.description} ${hidden ? 'Empty' : 'Null'} for a user token, unless \`USER_VISIBLE\` names \`${text}\`.`;
  }
  for (const coordinate of fieldsOfOthers) {
    const field = fieldAt(schema, coordinate);
    replaceResolve(field, (read) => (source, args, context) => {
      const { viewer } = context;
      const id = read(source, args, context);
      return viewer.kind === 'user' && id !== viewer.userId ? null : id;
    });
    field.description = `${field.description} Null for a user token, but where it is the user of the token.`;
  }
  return schema;
}

function fieldAt(schema: GraphQLSchema, coordinate: string): Field {
  const [typeName = '', fieldName = ''] = coordinate.split('.');
  const type = schema.getType(typeName);
  const field = isObjectType(type) ? type.getFields()[fieldName] : undefined;
  if (!field) throw new Error(`There is no field ${coordinate}`);
  return field;
}

function replaceResolve(field: Field, toResolve: (read: Resolve) => Resolve): void {
  const read = field.resolve ?? defaultFieldResolver;
  const info = { fieldName: field.name } as GraphQLResolveInfo; // all that is read of it
  const resolve = toResolve((source, args, context) => read(source, args, context, info));
  field.resolve = resolve;
  field.extensions = { ...field.extensions, pothosOriginalResolve: resolve };
}
