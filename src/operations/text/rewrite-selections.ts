import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isObjectType,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import { plainFieldOf } from './plain-field.ts';
import { textFieldName } from './text-schema.ts';

/** Puts fields of text in the place of those whose selections are plain all the way down, in parts of one valid document. */
export class SelectionRewriter {
  readonly #schema: GraphQLSchema;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #plainFragments = new Map<string, boolean>();
  /** The fields of text, as they stand in what was rewritten. */
  readonly textFields: FieldNode[] = [];

  constructor(schema: GraphQLSchema, fragments: ReadonlyMap<string, FragmentDefinitionNode>) {
    this.#schema = schema;
    this.#fragments = fragments;
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
    const field = parent.getFields()[node.name.value];
    const type = field && getNamedType(field.type);
    if (!node.selectionSet || !isObjectType(type)) return node;
    if (!this.#isPlain(node.selectionSet, type))
      return { ...node, selectionSet: this.rewrite(node.selectionSet, type) };
    const name = { ...node.name, value: textFieldName(node.name.value) };
    const text = { ...node, alias: node.alias ?? node.name, name };
    this.textFields.push(text);
    return text;
  }

  #isPlain({ selections }: SelectionSetNode, type: GraphQLObjectType): boolean {
    return selections.every((node) => {
      if (node.kind === Kind.FIELD) return this.#isPlainField(node, type);
      if (node.kind === Kind.FRAGMENT_SPREAD) return this.#isPlainFragment(node.name.value);
      const inner = this.#typeNamed(node.typeCondition?.name.value ?? type.name);
      return inner !== undefined && this.#isPlain(node.selectionSet, inner);
    });
  }

  #isPlainField({ name, selectionSet }: FieldNode, parent: GraphQLObjectType): boolean {
    if (name.value === '__typename') return true;
    const field = plainFieldOf(parent, name.value);
    const type = field && getNamedType(field.type);
    return field !== undefined && (!selectionSet || (isObjectType(type) && this.#isPlain(selectionSet, type)));
  }

  /** Kept for each fragment, because fragments of fragments would be looked through again and again. */
  #isPlainFragment(name: string): boolean {
    const known = this.#plainFragments.get(name);
    if (known !== undefined) return known;
    const fragment = this.#fragments.get(name);
    const type = fragment && this.#typeNamed(fragment.typeCondition.name.value);
    const isPlain = fragment !== undefined && type !== undefined && this.#isPlain(fragment.selectionSet, type);
    this.#plainFragments.set(name, isPlain);
    return isPlain;
  }

  /** Undefined for an interface or a union: what is selected of one has no order before its type is known. */
  #typeNamed(name: string): GraphQLObjectType | undefined {
    const type = this.#schema.getType(name);
    return isObjectType(type) ? type : undefined;
  }
}
