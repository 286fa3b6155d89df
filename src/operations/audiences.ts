import { type FragmentDefinitionNode, Kind, type OperationDefinitionNode, type SelectionNode, visit } from 'graphql';
import type { Viewer } from '../auth/viewer.ts';
import { isPayloadAsItIs } from '../graphql/payloads.ts';
import type { StreamedResult } from './result-stream.ts';
import type { ValidOperation, Variables } from './valid-operation.ts';

/** Subscribers to whom a payload shows the same, as long as nothing but the payload is read. */
export class Audience {
  readonly #forget: () => void;
  readonly #results = new WeakMap<object, StreamedResult>();
  #members = 0;

  /** @param forget called when the last member has left */
  constructor(forget: () => void) {
    this.#forget = forget;
  }

  resultOf(payload: object): StreamedResult | undefined {
    return this.#results.get(payload);
  }

  /**
   * For as long as somebody has the payload, if there is more than one to share it: what a `WeakMap` holds outlives the small
   * collections of garbage. @param result read nothing but the payload, and is not changed any more
   */
  keep(payload: object, result: StreamedResult): void {
    if (this.#members > 1) this.#results.set(payload, result);
  }

  enter(): void {
    this.#members += 1;
  }

  /** A member's life has ended. */
  handleEvent(): void {
    this.#members -= 1;
    if (this.#members === 0) this.#forget();
  }
}

/**
 * The audiences of one subscription: who asks with another selection has another operation. What else a result may depend
 * on, beside its payload, is the key: what the viewer may do and see, and the variables that are used below the field that
 * is subscribed to. An audience is forgotten with its last member.
 */
export class Audiences {
  readonly #names: readonly string[];
  readonly #byKey = new Map<string, Audience>();

  constructor(operation: ValidOperation) {
    this.#names = variablesBelow(operation);
  }

  /** The audience of a subscriber, who is a member as long as that life lasts. */
  join(viewer: Viewer, variables: Variables, life: AbortSignal): Audience {
    const given = this.#names.filter((name) => Object.hasOwn(variables, name));
    const key = JSON.stringify([sightOf(viewer), given.map((name) => [name, variables[name]])]);
    const audience = this.#byKey.get(key) ?? new Audience(() => this.#byKey.delete(key));
    if (life.aborted) return audience;
    this.#byKey.set(key, audience);
    audience.enter();
    life.addEventListener('abort', audience);
    return audience;
  }
}

/** Everything that permissions and visibility are made of. Until when a credential lasts is shown in no payload. */
function sightOf(viewer: Viewer): readonly unknown[] {
  const scopes = 'scopes' in viewer ? [...viewer.scopes].sort() : [];
  return [viewer.kind, scopes, viewer.kind === 'user' ? viewer.userId : null];
}

/** The variables of a subscription on which more may depend than which payloads come. */
function variablesBelow({ schema, operation, fragments }: ValidOperation): string[] {
  const names = new Set<string>();
  const collect = (node: OperationDefinitionNode | FragmentDefinitionNode | SelectionNode) =>
    visit(node, { Variable: ({ name }) => void names.add(name.value), VariableDefinition: () => false });
  const fields = schema.getSubscriptionType()?.getFields() ?? {};
  for (const selection of operation.selectionSet.selections) {
    const isField = selection.kind === Kind.FIELD && isPayloadAsItIs(fields[selection.name.value]);
    collect(isField ? { ...selection, arguments: [] } : selection);
  }
  collect({ ...operation, selectionSet: { ...operation.selectionSet, selections: [] } });
  for (const fragment of fragments.values()) collect(fragment);
  return [...names];
}
