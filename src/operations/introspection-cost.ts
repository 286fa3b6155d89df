import {
  type FieldNode,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  getNamedType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  SchemaMetaFieldDef,
  type SelectionSetNode,
  TypeMetaFieldDef,
} from 'graphql';
import { AppError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { labelOf } from './operation-label.ts';
import type { ValidOperation } from './valid-operation.ts';

type IntrospectionLimits = Pick<Limits, 'introspectedFieldsOfOneItem' | 'introspectionItems'>;

/**
 * What an operation costs that asks for the schema itself, in items. It is counted in the schema, and so is exact: nothing of it
 * depends on data. Where a variable names a type, the type of most fields is meant.
 */
export function introspectionItems(valid: ValidOperation, limits: IntrospectionLimits): number {
  const { introspectedFieldsOfOneItem: ofOne, introspectionItems: most } = limits;
  // What is counted further is refused anyway.
  return Math.ceil(new IntrospectionCount(valid, 2 * most * ofOne).total() / ofOne);
}

/** Nothing waits while graphql-js shows the schema, so that everybody may ask for as little of it as anybody. */
export function refuseIntrospection(
  items: number,
  { introspectionItems: most }: IntrospectionLimits,
  operation: OperationDefinitionNode,
): AppError | undefined {
  if (items <= most) return undefined;
  const message = `An operation may ask for at most ${most} items of the schema itself, and ${labelOf(operation)} asks for more: ask for all of the schema once`;
  return new AppError('LIMIT_EXCEEDED', message, {}, { nodes: operation });
}

class IntrospectionCount {
  readonly #valid: ValidOperation;
  readonly #most: number;
  /** Types and fields lead to the same types again and again. */
  readonly #counted = new Map<SelectionSetNode, Map<unknown, number>>();
  /** Objects that were looked into: never more than there are in the answer. */
  #looked = 0;

  constructor(valid: ValidOperation, most: number) {
    this.#valid = valid;
    this.#most = most;
  }

  total(): number {
    return this.#ofRoot(this.#valid.operation.selectionSet);
  }

  #ofRoot(selectionSet: SelectionSetNode): number {
    const { schema } = this.#valid;
    return this.#sumOver(selectionSet, (node) => {
      if (node.name.value === SchemaMetaFieldDef.name) return this.#below(node, SchemaMetaFieldDef.type, schema);
      if (node.name.value === TypeMetaFieldDef.name)
        return this.#below(node, TypeMetaFieldDef.type, this.#typeIn(node));
      return 0;
    });
  }

  #typeIn({ arguments: [name] = [] }: FieldNode): unknown {
    const types = Object.values(this.#valid.schema.getTypeMap());
    if (name?.value.kind === Kind.STRING) return this.#valid.schema.getType(name.value.value);
    const sizeOf = (type: unknown) => (isObjectType(type) ? Object.keys(type.getFields()).length : 0);
    return types.reduce((largest, type) => (sizeOf(type) > sizeOf(largest) ? type : largest));
  }

  /** The fields of a value of the schema, or of each value of a list. */
  #below({ selectionSet }: FieldNode, type: unknown, value: unknown): number {
    const named = getNamedType(type as GraphQLObjectType); // the types of introspection are objects and leaves
    if (!selectionSet || !isObjectType(named)) return 1;
    const values = Array.isArray(value) ? value : [value];
    return values.reduce((sum, each) => sum + (each == null ? 0 : this.#of(selectionSet, named, each)), 1);
  }

  #of(selectionSet: SelectionSetNode, type: GraphQLObjectType, source: unknown): number {
    const counted = this.#counted.get(selectionSet) ?? new Map<unknown, number>();
    this.#counted.set(selectionSet, counted);
    const known = counted.get(source);
    if (known !== undefined) return known;
    this.#looked += 1;
    if (this.#looked > this.#most) return this.#most;
    const fields = type.getFields();
    const info = { schema: this.#valid.schema } as GraphQLResolveInfo; // all that introspection looks at
    const count = this.#sumOver(selectionSet, (node) => {
      const field = fields[node.name.value];
      if (!field || !node.selectionSet) return 1;
      return this.#below(node, field.type, field.resolve?.(source, { includeDeprecated: true }, undefined, info));
    });
    counted.set(source, count);
    return count;
  }

  #sumOver({ selections }: SelectionSetNode, countOf: (node: FieldNode) => number): number {
    let sum = 0;
    for (const node of selections) {
      if (node.kind === Kind.FIELD) sum += countOf(node);
      else {
        const inner =
          node.kind === Kind.INLINE_FRAGMENT
            ? node.selectionSet
            : this.#valid.fragments.get(node.name.value)?.selectionSet;
        if (inner) sum += this.#sumOver(inner, countOf);
      }
    }
    return Math.min(sum, Number.MAX_SAFE_INTEGER);
  }
}
