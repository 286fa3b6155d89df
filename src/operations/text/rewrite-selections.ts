import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isObjectType,
  Kind,
  SchemaMetaFieldDef,
  type SelectionNode,
  type SelectionSetNode,
  TypeMetaFieldDef,
} from 'graphql';
import { plainFieldOf } from './plain-field.ts';
import { textFieldName } from './text-schema.ts';

const ofSchema: ReadonlySet<string> = new Set([SchemaMetaFieldDef.name, TypeMetaFieldDef.name]);

/** Puts fields of text in the place of those whose selections are plain all the way down, in parts of one valid document. */
export class SelectionRewriter {
  readonly #schema: GraphQLSchema;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  /** How many fields there are in a fragment; undefined if it is not plain. */
  readonly #sizes = new Map<string, number | undefined>();
  /** How many fields may still be written as text. */
  #left: number;
  /** The fields of text, as they stand in what was rewritten. */
  readonly textFields: FieldNode[] = [];

  /** Whether the schema itself is asked for, which would show the fields that stand for text. */
  asksForSchema = false;

  /** @param most fields that are written as text at most, counted as often as fragments bring them. */
  constructor(schema: GraphQLSchema, fragments: ReadonlyMap<string, FragmentDefinitionNode>, most: number) {
    this.#schema = schema;
    this.#fragments = fragments;
    this.#left = most;
  }

  /** @param type what the selections are of */
  rewrite({ selections, ...node }: SelectionSetNode, type: GraphQLObjectType): SelectionSetNode {
    return { ...node, selections: selections.map((each) => this.#selection(each, type)) };
  }

  rewriteFragment(fragment: FragmentDefinitionNode): FragmentDefinitionNode {
    const type = this.#typeNamed(fragment.typeCondition.name.value);
    return type ? { ...fragment, selectionSet: this.rewrite(fragment.selectionSet, type) } : fragment;
  }

  #selection(node: SelectionNode, parent: GraphQLObjectType): SelectionNode {
    if (node.kind === Kind.FRAGMENT_SPREAD) return node;
    if (node.kind === Kind.FIELD) return this.#field(node, parent);
    const type = this.#typeNamed(node.typeCondition?.name.value ?? parent.name);
    return type ? { ...node, selectionSet: this.rewrite(node.selectionSet, type) } : node;
  }

  #field(node: FieldNode, parent: GraphQLObjectType): FieldNode {
    if (ofSchema.has(node.name.value)) this.asksForSchema = true;
    const field = parent.getFields()[node.name.value];
    const type = field && getNamedType(field.type);
    if (!node.selectionSet || !isObjectType(type)) return node;
    const size = this.#sizeOf(node.selectionSet, type);
    if (size === undefined || size > this.#left)
      return { ...node, selectionSet: this.rewrite(node.selectionSet, type) };
    this.#left -= size;
    const name = { ...node.name, value: textFieldName(node.name.value) };
    const text = { ...node, alias: node.alias ?? node.name, name };
    this.textFields.push(text);
    return text;
  }

  /** How many fields are selected, all the way down; undefined unless all of them are plain. */
  #sizeOf({ selections }: SelectionSetNode, type: GraphQLObjectType): number | undefined {
    let sum = 0;
    for (const node of selections) {
      const size = this.#sizeOfSelection(node, type);
      if (size === undefined) return undefined;
      sum += size;
    }
    return sum;
  }

  #sizeOfSelection(node: SelectionNode, parent: GraphQLObjectType): number | undefined {
    if (node.kind === Kind.FRAGMENT_SPREAD) return this.#sizeOfFragment(node.name.value);
    if (node.kind === Kind.FIELD) return this.#sizeOfField(node, parent);
    const type = this.#typeNamed(node.typeCondition?.name.value ?? parent.name);
    return type && this.#sizeOf(node.selectionSet, type);
  }

  #sizeOfField({ name, selectionSet }: FieldNode, parent: GraphQLObjectType): number | undefined {
    if (name.value === '__typename') return 1;
    const field = plainFieldOf(parent, name.value);
    if (!field) return undefined;
    if (!selectionSet) return 1;
    const type = getNamedType(field.type);
    const inner = isObjectType(type) ? this.#sizeOf(selectionSet, type) : undefined;
    return inner === undefined ? undefined : 1 + inner;
  }

  /** Kept for each fragment, because fragments of fragments would be looked through again and again. */
  #sizeOfFragment(name: string): number | undefined {
    if (this.#sizes.has(name)) return this.#sizes.get(name);
    const fragment = this.#fragments.get(name);
    const type = fragment && this.#typeNamed(fragment.typeCondition.name.value);
    const size = fragment && type && this.#sizeOf(fragment.selectionSet, type);
    this.#sizes.set(name, size);
    return size;
  }

  /** Undefined for an interface or a union: what is selected of one has no order before its type is known. */
  #typeNamed(name: string): GraphQLObjectType | undefined {
    const type = this.#schema.getType(name);
    return isObjectType(type) ? type : undefined;
  }
}
