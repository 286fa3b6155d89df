import type { OperationDefinitionNode } from 'graphql';

/** An operation for people: its kind with its name or, if it has none, the fields that it asks for. */
export function labelOf({ operation, name, selectionSet }: OperationDefinitionNode): string {
  const fields = selectionSet.selections
    .slice(0, 5)
    .map((selection) => ('name' in selection ? selection.name.value : '…'));
  return `${operation} ${name?.value ?? `{ ${fields.join(' ')} }`}`;
}
