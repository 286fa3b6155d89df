import SchemaBuilder, { type EnumRef, type ObjectRef } from '@pothos/core';
import PrismaPlugin from '@pothos/plugin-prisma';
import RelayPlugin from '@pothos/plugin-relay';
import ScopeAuthPlugin, { type AuthFailure } from '@pothos/plugin-scope-auth';
import { may, type Permission, permissionNames, whyNot } from '../auth/permissions.ts';
import type { PrismaTypes } from '../db/rows.ts';
import { getDatamodel } from '../db/rows.ts';
import { AppError } from '../errors.ts';
import type { Json } from '../lib/json.ts';
import type { Context } from './context.ts';
import { withItems } from './items.ts';
import type { Counted } from './paging.ts';

/** Inner and outer types of the scalars, for Pothos. */
type ScalarTypes = {
  UUID: { Input: string; Output: string };
  DateTime: { Input: Date; Output: Date };
  JSONObject: { Input: { [key: string]: Json }; Output: unknown };
  /** The sequence of an event; a decimal string outside. */
  SyncCursor: { Input: number; Output: number };
};

interface SchemaTypes {
  Context: Context;
  PrismaTypes: PrismaTypes;
  Scalars: ScalarTypes;
  Connection: Counted;
  AuthScopes: Record<Permission, boolean>;
  DefaultFieldNullability: false;
  DefaultEdgesNullability: { list: false; items: false };
  DefaultNodeNullability: false;
}

type Types = PothosSchemaTypes.ExtendDefaultTypes<SchemaTypes>;
export type Builder = PothosSchemaTypes.SchemaBuilder<Types>;
/** An enum of the schema with these values. */
export type EnumOf<Value> = EnumRef<Types, Value>;
/** An object type of the schema whose objects are, or extend, rows of this type. */
export type ObjectOf<Row> = ObjectRef<Types, Row>;

/** The first permission among what a field asks that the viewer does not hold. */
function missingPermission(failure: AuthFailure): Permission | undefined {
  if ('failures' in failure) return failure.failures.map(missingPermission).find((one) => one !== undefined);
  return 'scope' in failure ? permissionNames.find((name) => name === failure.scope) : undefined;
}

/** The client of Pothos' Prisma plugin, which takes the models' names and comments: rows come from the services. */
function queryNothing(): never {
  throw new Error('The schema asks a database by itself; rows come from the services');
}

/**
 * A Pothos builder with everything that belongs to no noun: root types, permissions, page info. Fields are
 * non-null unless they say otherwise; a Prisma model's comments become descriptions.
 */
export function createBuilder(): Builder {
  const builder = new SchemaBuilder<SchemaTypes>({
    plugins: [ScopeAuthPlugin, PrismaPlugin, RelayPlugin],
    defaultFieldNullability: false,
    prisma: {
      client: queryNothing,
      dmmf: getDatamodel(),
      exposeDescriptions: true,
    },
    relay: {
      cursorType: 'String',
      nodeQueryOptions: false,
      nodesQueryOptions: false,
      edgesFieldOptions: {
        nullable: { list: false, items: false },
        description: 'The items of this page, in order.',
        ...withItems('counted by parent'),
      },
      nodeFieldOptions: { nullable: false, description: 'The item itself.' },
      cursorFieldOptions: { description: 'Where this item stands: for `after` or `before`.' },
      pageInfoTypeOptions: { description: 'How a page stands to the rest of its list.' },
      pageInfoFieldOptions: { description: 'How this page stands to the rest of the list.' },
      hasNextPageFieldOptions: { description: 'Are there items after this page?' },
      hasPreviousPageFieldOptions: { description: 'Are there items before this page?' },
      startCursorFieldOptions: { description: 'Cursor of the first item; null on an empty page.' },
      endCursorFieldOptions: { description: 'Cursor of the last item; null on an empty page.' },
      firstArgOptions: { description: 'How many items at most, from the beginning (or after `after`).' },
      afterArgOptions: { description: 'Only items after this cursor.' },
      lastArgOptions: { description: 'How many items at most, up to the end (or before `before`).' },
      beforeArgOptions: { description: 'Only items before this cursor.' },
    },
    scopeAuth: {
      authorizeOnSubscribe: true,
      authScopes: ({ viewer }) => ({
        public: may(viewer, 'public'),
        read: may(viewer, 'read'),
        write: may(viewer, 'write'),
        admin: may(viewer, 'admin'),
        metrics: may(viewer, 'metrics'),
        delegate: may(viewer, 'delegate'),
        operate: may(viewer, 'operate'),
      }),
      unauthorizedError: (_parent, { viewer }, { parentType, fieldName }, { failure }) => {
        if (viewer.kind === 'anonymous')
          return new AppError('UNAUTHENTICATED', 'This needs a credential: a bearer token or an API key');
        const permission = missingPermission(failure);
        const { reason, ...details } = permission ? whyNot(viewer, permission) : { reason: 'it lacks a scope' };
        return new AppError(
          'FORBIDDEN',
          `The credential does not permit ${parentType.name}.${fieldName}: ${reason}`,
          details,
        );
      },
    },
  });
  builder.queryType({ description: 'Everything that can be read.' });
  builder.mutationType({ description: 'Everything that can be changed.' });
  builder.subscriptionType({ description: 'Everything that can be followed live.' });
  return builder;
}
