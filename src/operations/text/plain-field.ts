import type { GraphQLField, GraphQLObjectType, GraphQLOutputType } from 'graphql';
import type { Context } from '../../graphql/context.ts';

/** A field whose value follows at once from its object: nothing is asked for it, and nobody has to be permitted to see it. */
export interface PlainField {
  readonly type: GraphQLOutputType;
  /** A value that is no promise, as far as can be told before. */
  readonly read: (source: unknown, context: Context) => unknown;
}

const known = new WeakMap<GraphQLField<unknown, Context>, PlainField | 'not plain'>();

/** Undefined for a field that is not plain, and for `__typename`, which is none. */
export function plainFieldOf(parent: GraphQLObjectType, name: string): PlainField | undefined {
  const field = parent.getFields()[name];
  if (!field) return undefined;
  const found = known.get(field) ?? toPlainField(field) ?? 'not plain';
  known.set(field, found);
  return found === 'not plain' ? undefined : found;
}

function toPlainField({ name, type, args, resolve, extensions }: GraphQLField<unknown, Context>) {
  if (args.length > 0) return undefined;
  if (!resolve) return { type, read: (source: unknown) => (source as Readonly<Record<string, unknown>>)[name] };
  if (resolve instanceof AsyncFunction) return undefined;
  // A plugin that has something to check puts a resolver of its own in the place of ours; with a fourth parameter, a
  // resolver would look at the operation.
  if (resolve !== extensions.pothosOriginalResolve || resolve.length > 3) return undefined;
  const read = resolve as (source: unknown, args: object, context: Context) => unknown;
  return { type, read: (source: unknown, context: Context) => read(source, {}, context) };
}

/** What `async` makes, for which there is no name. */
const AsyncFunction = (async () => {}).constructor;
