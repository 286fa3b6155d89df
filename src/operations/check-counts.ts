import {
  type DocumentNode,
  type FragmentDefinitionNode,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import { AppError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { fragmentsIn } from './fragments-in.ts';
import { labelOf } from './operation-label.ts';

/** What is counted of selections, all the way down but for `fields`, which are those at the top. */
interface Counts {
  readonly fields: number;
  readonly aliases: number;
  readonly directives: number;
}

const none: Counts = { fields: 0, aliases: 0, directives: 0 };

/**
 * How many aliases, directives and fields at the root each operation of a document has. What a fragment holds counts as
 * often as it is spread, and fragments in a circle are left to validation. @throws AppError LIMIT_EXCEEDED
 */
export function checkCounts(
  document: DocumentNode,
  limits: Pick<Limits, 'operationAliases' | 'operationRootFields' | 'operationDirectives'>,
): void {
  const counter = new Counter(fragmentsIn(document));
  for (const node of document.definitions) {
    if (node.kind !== Kind.OPERATION_DEFINITION) continue;
    const { fields, aliases, directives } = counter.ofOperation(node);
    checkCount(node, aliases, limits.operationAliases, 'aliases');
    checkCount(node, fields, limits.operationRootFields, 'fields at its root');
    checkCount(node, directives, limits.operationDirectives, 'directives');
  }
}

function checkCount(operation: OperationDefinitionNode, found: number, most: number, what: string): void {
  if (found <= most) return;
  const message = `An operation may have at most ${most} ${what}, fragments counted as often as they are spread, and ${labelOf(operation)} has ${found}`;
  throw new AppError('LIMIT_EXCEEDED', message, {}, { nodes: operation });
}

class Counter {
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  /** Of each fragment, kept because fragments of fragments would be counted again and again. */
  readonly #ofFragments = new Map<string, Counts>();

  constructor(fragments: ReadonlyMap<string, FragmentDefinitionNode>) {
    this.#fragments = fragments;
  }

  ofOperation({ selectionSet, directives = [], variableDefinitions = [] }: OperationDefinitionNode): Counts {
    const counts = this.#ofSelections(selectionSet);
    const own = variableDefinitions.reduce((sum, each) => sum + (each.directives?.length ?? 0), directives.length);
    return { ...counts, directives: counts.directives + own };
  }

  #ofSelections({ selections }: SelectionSetNode): Counts {
    return selections.map((each) => this.#ofSelection(each)).reduce(sumOf, none);
  }

  #ofSelection(node: SelectionNode): Counts {
    const directives = node.directives?.length ?? 0;
    if (node.kind === Kind.FRAGMENT_SPREAD) return sumOf(this.#ofFragment(node.name.value), { ...none, directives });
    const inner = node.selectionSet ? this.#ofSelections(node.selectionSet) : none;
    const own = { fields: 0, aliases: 0, directives };
    if (node.kind === Kind.INLINE_FRAGMENT) return sumOf(inner, own);
    return sumOf({ ...inner, fields: 1 }, { ...own, aliases: node.alias ? 1 : 0 });
  }

  #ofFragment(name: string): Counts {
    const known = this.#ofFragments.get(name);
    const fragment = this.#fragments.get(name);
    if (known || !fragment) return known ?? none;
    this.#ofFragments.set(name, none);
    const directives = fragment.directives?.length ?? 0;
    const counts = sumOf(this.#ofSelections(fragment.selectionSet), { ...none, directives });
    this.#ofFragments.set(name, counts);
    return counts;
  }
}

function sumOf(one: Counts, other: Counts): Counts {
  return {
    fields: one.fields + other.fields,
    aliases: one.aliases + other.aliases,
    directives: one.directives + other.directives,
  };
}
