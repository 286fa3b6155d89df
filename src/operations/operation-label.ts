import type { FragmentDefinitionNode, GraphQLSchema, OperationDefinitionNode, SelectionSetNode } from 'graphql';

/** An operation for people: its kind with its name or, if it has none, the fields that it asks for. */
export function labelOf({ operation, name, selectionSet }: OperationDefinitionNode): string {
  const fields = selectionSet.selections
    .slice(0, 5)
    .map((selection) => ('name' in selection ? selection.name.value : '…'));
  return `${operation} ${name?.value ?? `{ ${fields.join(' ')} }`}`;
}

/**
 * An operation for who counts: its kind with its field at the root, or `several`. Clients choose the names of operations; of
 * these there are no more than the schema has fields.
 */
export function countedNameOf(
  schema: GraphQLSchema,
  { operation, selectionSet }: OperationDefinitionNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
): string {
  const fields = new Set<string>();
  collectFields(selectionSet, fragments, fields, new Set());
  const [field = '', ...others] = fields;
  if (others.length > 0) return `${operation} several`;
  const isKnown = field.startsWith('__') ? introspection.has(field) : schema.getRootType(operation)?.getFields()[field];
  return `${operation} ${isKnown ? field : 'unknown'}`;
}

const introspection: ReadonlySet<string> = new Set(['__schema', '__type', '__typename']);

/** @param entered the fragments that were looked into: a document that was not validated may have cycles */
function collectFields(
  { selections }: SelectionSetNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  fields: Set<string>,
  entered: Set<string>,
): void {
  for (const selection of selections) {
    if (selection.kind === 'Field') fields.add(selection.name.value);
    else if (selection.kind === 'InlineFragment') collectFields(selection.selectionSet, fragments, fields, entered);
    else if (!entered.has(selection.name.value)) {
      entered.add(selection.name.value);
      const fragment = fragments.get(selection.name.value);
      if (fragment) collectFields(fragment.selectionSet, fragments, fields, entered);
    }
  }
}
