import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  buildSchema as buildFromSdl,
  findBreakingChanges,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isListType,
  isObjectType,
  isSpecifiedScalarType,
} from 'graphql';
import { describe, expect, test } from 'vitest';
import { createBuilder } from '../../src/graphql/builder.ts';
import { itemsOf, withItems } from '../../src/graphql/items.ts';
import { buildSchema } from '../../src/schema.ts';

const root = join(import.meta.dirname, '../..');
const schema = buildSchema();

/** Root fields that do not say who may use them. */
function undeclared(of: GraphQLSchema): string[] {
  return [of.getQueryType(), of.getMutationType(), of.getSubscriptionType()].flatMap((type) =>
    Object.values(type?.getFields() ?? {})
      .filter(({ extensions }) => {
        const options = extensions.pothosOptions as { authScopes?: object } | undefined; // what Pothos keeps of a field
        return Object.keys(options?.authScopes ?? {}).length === 0;
      })
      .map((field) => `${type?.name}.${field.name}`),
  );
}

/** Fields that return a list, or a page of one, and do not say of how many items. */
function uncounted(of: GraphQLSchema): string[] {
  const fields = Object.values(of.getTypeMap())
    .filter((type) => isObjectType(type) || isInterfaceType(type))
    .filter((type) => !isIntrospectionType(type))
    .flatMap((type) =>
      Object.values(type.getFields()).map((field) => ({ name: `${type.name}.${field.name}`, type, field })),
    );
  const returning = (type: GraphQLNamedType) => fields.filter(({ field }) => getNamedType(field.type) === type);
  const isCounted = (field: GraphQLField<unknown, unknown>) => typeof itemsOf(field) === 'object';
  return fields
    .filter(({ type, field }) =>
      itemsOf(field) === 'counted by parent'
        ? !returning(type).every((parent) => isCounted(parent.field))
        : isListType(getNullableType(field.type)) && !isCounted(field),
    )
    .map(({ name }) => name);
}

/** Names of everything in the schema that has no description. */
function undescribed(of: GraphQLSchema): string[] {
  const names: string[] = [];
  const check = (name: string, { description }: { description?: string | null | undefined }) => {
    if (!description?.trim()) names.push(name);
  };
  for (const type of Object.values(of.getTypeMap())) {
    if (isIntrospectionType(type) || isSpecifiedScalarType(type)) continue;
    check(type.name, type);
    if (isEnumType(type)) for (const value of type.getValues()) check(`${type.name}.${value.name}`, value);
    if (!isObjectType(type) && !isInterfaceType(type) && !isInputObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      check(`${type.name}.${field.name}`, field);
      if ('args' in field)
        for (const argument of field.args) check(`${type.name}.${field.name}(${argument.name}:)`, argument);
    }
  }
  return names;
}

describe('the schema', () => {
  test('says of every root field who may use it', () => {
    expect(undeclared(schema)).toEqual([]);
  });

  test('says of every list of how many items it can be, as operations are bounded by their items', () => {
    expect(uncounted(schema)).toEqual([]);
  });

  test('cannot hide a list that says nothing, nor a page that leaves it to a field which says nothing', () => {
    const bad = buildFromSdl('type Query { names: [String!] page: Page, counted: Page } type Page { edges: [Int!]! }');
    const fields = (name: string) => (bad.getType(name) as GraphQLObjectType).getFields();
    fields('Page').edges!.extensions = withItems('counted by parent').extensions;
    fields('Query').counted!.extensions = withItems({ most: 1 }).extensions;
    expect(uncounted(bad)).toEqual(['Query.names', 'Page.edges']);
    fields('Query').page!.extensions = withItems({ most: 1 }).extensions;
    expect(uncounted(bad)).toEqual(['Query.names']);
  });

  test('cannot hide a root field that says nothing', () => {
    const builder = createBuilder();
    builder.queryField('open', (t) => t.boolean({ resolve: () => true }));
    builder.mutationField('openToo', (t) => t.boolean({ resolve: () => true }));
    builder.subscriptionField('guarded', (t) =>
      t.boolean({ authScopes: { read: true }, subscribe: async function* () {}, resolve: () => true }),
    );
    for (const name of ['UUID', 'DateTime', 'JSONObject', 'SyncCursor'] as const)
      builder.scalarType(name, { serialize: (value) => value });
    expect(undeclared(builder.toSchema())).toEqual(['Query.open', 'Mutation.openToo']);
  });

  test('lets nobody who may only write read on from what a mutation returns', () => {
    // What an event says of its reason is its own; the reason's event is not.
    const isOwn = (type: GraphQLNamedType) => type.name === 'SyncReason';
    for (const name of ['User', 'SyncRun', 'SyncEvent', 'SyncReason']) {
      const type = schema.getType(name) as GraphQLObjectType;
      const leading = Object.values(type.getFields())
        .map((field) => ({ ...field, type: getNamedType(field.type) }))
        .filter((field) => isObjectType(field.type) && !isOwn(field.type));
      expect(leading.length).toBeGreaterThan(0);
      for (const { name: field, extensions } of leading)
        expect([field, (extensions.pothosOptions as { authScopes?: object }).authScopes]).toEqual([
          field,
          { read: true },
        ]);
    }
  });

  test('describes every type, field, argument and value', () => {
    expect(undescribed(schema)).toEqual([]);
  });

  test('keeps every name and type of the public surface', () => {
    const surface = buildFromSdl(readFileSync(join(import.meta.dirname, '../support/public-surface.graphql'), 'utf8'));
    expect(findBreakingChanges(surface, schema).map(({ description }) => description)).toEqual([]);
  });

  test('comes from models of which every one and every field is described', () => {
    const lines = readFileSync(join(root, 'prisma/schema.prisma'), 'utf8').split('\n');
    const undocumented = lines.filter((line, index) => {
      const isModel = /^model \w+ \{/.test(line);
      const isColumn = /^ {2}\w+ +(String|Int|Float|Boolean|DateTime|Json)\b/.test(line);
      return (isModel || isColumn) && !lines[index - 1]?.trim().startsWith('///');
    });
    expect(undocumented).toEqual([]);
  });
});
