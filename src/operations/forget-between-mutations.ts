import { defaultFieldResolver, type GraphQLSchema } from 'graphql';
import type { Context } from '../graphql/context.ts';

/**
 * Lets each root field of a mutation begin with empty caches. They run one after another, each with all that it returns
 * (GraphQL specification, 6.2.2), and one may show what an earlier one has changed.
 */
export function forgetBetweenMutations(schema: GraphQLSchema): GraphQLSchema {
  for (const field of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    const resolve = field.resolve ?? defaultFieldResolver;
    field.resolve = (source, args, context: Context, info) => {
      context.forget();
      return resolve(source, args, context, info);
    };
  }
  return schema;
}
