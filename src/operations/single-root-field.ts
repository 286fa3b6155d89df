import {
  type ExecutionResult,
  type FragmentDefinitionNode,
  GraphQLError,
  getVariableValues,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  SingleFieldSubscriptionsRule,
  specifiedRules,
  type ValidationRule,
} from 'graphql';
import { AppError } from '../errors.ts';
import { collectFields } from './collect-fields.ts';
import type { ValidOperation, Variables } from './valid-operation.ts';

type Fragments = ReadonlyMap<string, FragmentDefinitionNode>;

/**
 * GraphQL's own rule that a subscription has one root field, for subscriptions whose root has no directive. graphql-js
 * reads the directives of a root without its variables: it would refuse every subscription that has one there. For those
 * {@link refuseRootFields} decides, when the variables are known.
 */
const singleFieldUnlessConditional: ValidationRule = (context) => {
  // The one function that its visitor has, by its source.
  const { OperationDefinition: check } = SingleFieldSubscriptionsRule(context) as {
    readonly OperationDefinition: (node: OperationDefinitionNode) => void;
  };
  return {
    OperationDefinition(node) {
      const { definitions } = context.getDocument();
      const fragments = definitions.filter((each) => each.kind === Kind.FRAGMENT_DEFINITION);
      const byName = new Map(fragments.map((each) => [each.name.value, each]));
      if (!isConditional(node.selectionSet, byName)) check(node);
    },
  };
};

/** The rules that a document must fit before any of it runs. */
export const validationRules: readonly ValidationRule[] = specifiedRules.map((rule) =>
  rule === SingleFieldSubscriptionsRule ? singleFieldUnlessConditional : rule,
);

/**
 * Why a subscription cannot begin with these variables: its directives leave no root field, or several. (graphql-js would
 * throw an exception of its own at the first, and take the first field at the other.)
 * @returns undefined for one root field, and for variables that do not fit, of which graphql-js knows how to tell.
 */
export function refuseRootFields(
  { schema, operation, fragments }: ValidOperation,
  variables: Variables,
): ExecutionResult | undefined {
  const type = schema.getSubscriptionType();
  if (!type || !isConditional(operation.selectionSet, fragments)) return undefined;
  const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], variables);
  if (!coerced) return undefined;
  try {
    const fields = [...collectFields(type, [operation], { fragments, variables: coerced }).values()];
    const [first] = fields;
    if (fields.length === 1 && !first?.[0]?.name.value.startsWith('__')) return undefined;
    const left = fields.length === 1 ? 'one of introspection' : fields.length || 'none';
    const message = `A subscription must select one root field; its directives and these variables leave ${left}`;
    return { errors: [new AppError('BAD_USER_INPUT', message)] };
  } catch (error) {
    if (error instanceof GraphQLError) return { errors: [error] };
    throw error;
  }
}

/** Can anything leave a field out of a root? */
function isConditional(
  { selections }: SelectionSetNode,
  fragments: Fragments,
  entered = new Set<SelectionSetNode>(),
): boolean {
  return selections.some((selection) => {
    if (selection.directives?.length) return true;
    if (selection.kind === Kind.FIELD) return false;
    const inner =
      selection.kind === Kind.INLINE_FRAGMENT
        ? selection.selectionSet
        : fragments.get(selection.name.value)?.selectionSet;
    if (!inner || entered.has(inner)) return false;
    entered.add(inner);
    return isConditional(inner, fragments, entered);
  });
}
