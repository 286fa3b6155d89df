import { MapperKind, mapSchema } from '@graphql-tools/utils';
import {
  defaultFieldResolver,
  type GraphQLFieldConfig,
  GraphQLNonNull,
  GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  GraphQLScalarType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isListType,
  isNonNullType,
  isObjectType,
} from 'graphql';
import type { Context } from '../../graphql/context.ts';
import { JsonText } from './json-text.ts';
import type { WriteValue } from './value-writer.ts';

/** The name of the field that has the value of this one as text. No field that clients know ends like it. */
export const textFieldName = (name: string): string => `${name}__text`;

/** Finds how the value of a field of this type is written as it is selected in an operation. */
export type FindWriter = (type: GraphQLOutputType, info: GraphQLResolveInfo) => WriteValue;

/**
 * The same schema, in which each field of objects has another one beside it: resolved alike, permissions included, and
 * then written as {@link JsonText} instead of executed field by field.
 */
export function withTextFields(schema: GraphQLSchema, findWriter: FindWriter): GraphQLSchema {
  return mapSchema(schema, {
    [MapperKind.OBJECT_TYPE]: (type) => {
      const config = type.toConfig();
      const texts = Object.entries(config.fields)
        .filter(([, field]) => isObjectType(getNamedType(field.type)))
        .map(([name, field]) => [textFieldName(name), asText(name, field, findWriter)] as const);
      return new GraphQLObjectType({
        ...config,
        fields: { ...fieldsInSteps(config.fields), ...Object.fromEntries(texts) },
      });
    },
  });
}

/** The same schema, whose lists are completed in steps where an operation would hold up others. */
export function withSteps(schema: GraphQLSchema): GraphQLSchema {
  return mapSchema(schema, {
    [MapperKind.OBJECT_TYPE]: (type) => {
      const config = type.toConfig();
      return new GraphQLObjectType({ ...config, fields: fieldsInSteps(config.fields) });
    },
  });
}

function fieldsInSteps(fields: Readonly<Record<string, FieldConfig>>) {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, inSteps(field)]));
}

/** A list of objects of which each is completed in a step of its own, where the operation would hold up others. */
function inSteps(field: FieldConfig): FieldConfig {
  const { type, resolve = defaultFieldResolver } = field;
  if (!isListType(getNullableType(type)) || !isObjectType(getNamedType(type))) return field;
  return {
    ...field,
    resolve(source, args, context, info) {
      const value: unknown = resolve(source, args, context, info);
      const { pace } = context.bounds;
      if (!pace) return value;
      const whileInTime = (item: unknown) => {
        context.bounds.check();
        return item;
      };
      const paced = (list: unknown) =>
        Array.isArray(list) && list.length > 1
          ? list.map((item: unknown) => pace.step().then(() => whileInTime(item)))
          : list;
      return value instanceof Promise ? value.then(paced) : paced(value);
    },
  };
}

const JsonTextType = new GraphQLScalarType<JsonText>({ name: 'JsonText' });

type FieldConfig = GraphQLFieldConfig<unknown, Context>;

function asText(name: string, field: FieldConfig, findWriter: FindWriter): FieldConfig {
  const { type, resolve = defaultFieldResolver } = field;
  return {
    ...field,
    type: isNonNullType(type) ? new GraphQLNonNull(JsonTextType) : JsonTextType,
    resolve(source, args, context, info) {
      const toText = (value: unknown) => {
        if (value == null) return null;
        const text = findWriter(type, info)(value, context);
        context.bounds.written(text.length);
        return new JsonText(text);
      };
      const value: unknown = resolve(source, args, context, { ...info, fieldName: name });
      return value instanceof Promise ? value.then(toText) : toText(value);
    },
  };
}
