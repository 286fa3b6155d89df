import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import { AppError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { fragmentsIn } from './fragments-in.ts';
import { labelOf } from './operation-label.ts';

type DepthLimits = Pick<Limits, 'operationDepth' | 'introspectionDepth'>;

/** Fields with a bound of their own for what is below them. */
const introspection: ReadonlySet<string> = new Set(['__schema', '__type']);

/**
 * How deep the fields of a document's operations are nested. A field counts as one level, a fragment as none. Fragments in a
 * circle are left to validation. @throws AppError LIMIT_EXCEEDED at the first field that is too deep
 */
export function checkDepth(document: DocumentNode, limits: DepthLimits): void {
  const fragments = fragmentsIn(document);
  for (const definition of document.definitions)
    if (definition.kind === Kind.OPERATION_DEFINITION) new Descent(definition, fragments, limits).begin();
}

class Descent {
  readonly #operation: OperationDefinitionNode;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #limits: DepthLimits;
  /** The deepest level at which each fragment was looked into. */
  readonly #lookedInto = new Map<string, number>();
  readonly #within = new Set<string>();

  constructor(
    operation: OperationDefinitionNode,
    fragments: ReadonlyMap<string, FragmentDefinitionNode>,
    limits: DepthLimits,
  ) {
    this.#operation = operation;
    this.#fragments = fragments;
    this.#limits = limits;
  }

  begin(): void {
    this.#enter(this.#operation.selectionSet, 1, this.#limits.operationDepth);
  }

  #enter({ selections }: SelectionSetNode, level: number, most: number): void {
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) this.#enterField(selection, level, most);
      else if (selection.kind === Kind.INLINE_FRAGMENT) this.#enter(selection.selectionSet, level, most);
      else this.#enterFragment(selection.name.value, level, most);
    }
  }

  #enterField(field: FieldNode, level: number, most: number): void {
    if (level > most) {
      const message = `An operation may be nested at most ${most} fields deep, and \`${field.name.value}\` of ${labelOf(this.#operation)} is ${level} deep`;
      throw new AppError('LIMIT_EXCEEDED', message, {}, { nodes: field });
    }
    if (!field.selectionSet) return;
    const below = introspection.has(field.name.value) ? this.#limits.introspectionDepth : most;
    this.#enter(field.selectionSet, level + 1, below);
  }

  #enterFragment(name: string, level: number, most: number): void {
    const fragment = this.#fragments.get(name);
    if (!fragment || this.#within.has(name) || (this.#lookedInto.get(name) ?? 0) >= level) return;
    this.#lookedInto.set(name, level);
    this.#within.add(name);
    this.#enter(fragment.selectionSet, level, most);
    this.#within.delete(name);
  }
}
