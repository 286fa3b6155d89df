import {
  type FieldNode,
  getNamedType,
  getNullableType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type Location,
  type SelectionSetNode,
} from 'graphql';
import { itemsOf, readsOf } from '../graphql/items.ts';
import type { Limits } from '../limits.ts';
import { type Amount, MOST, once, sumOf, times } from './amounts.ts';
import { ListArguments } from './list-arguments.ts';
import { plainFieldOf } from './text/plain-field.ts';
import type { ValidOperation, Variables } from './valid-operation.ts';

/** A number of list items, with these variables. */
type CostOf = (variables: Variables) => number;

/** What an operation costs, in list items. */
export interface Cost {
  /** What is counted before it runs. */
  readonly asked: CostOf;
  /** What one item more costs in the list of this field, if it is one that says how many are usual. */
  ofOneMore(field: FieldNode, variables: Variables): number;
}

/**
 * Finds out what an operation could ask for, before any of it runs: events have users and users have events, so a short
 * document could otherwise ask for millions.
 *
 * - An item of a list counts 1. Each field of the schema says how many items it returns (`extensions.items`); along a path
 *   the numbers multiply, and paths add up.
 * - An object that is found for another one counts 1, as the run of an event does. One that comes with it (a page and its
 *   edges, a span of time) counts with the fields of the other; one at the root is what the request itself is charged for.
 * - Of each of them `fieldsOfOneItem` fields are paid for by that. Each as many more count 1.
 * - What has to read more than it shows says so (`extensions.reads`), and a list with a filter looks through more.
 * - A list that says how many items are `usual` counts with these. What it has beyond counts when it is found.
 *
 * What the document says counts: a field that is asked for twice, or that a directive leaves out, counts all the same.
 *
 * The document is read once. What is left for each request is what depends on its variables: for most, nothing.
 */
export function createCost(valid: ValidOperation, limits: Limits): Cost {
  const count = new ItemCount(valid, limits);
  const total = count.total();
  let questions = 0;
  const ask = (amount: Amount, variables: Variables) => {
    if (typeof amount === 'number') return amount;
    questions += 1;
    return amount(variables, questions);
  };
  return {
    asked: (variables) => ask(total, variables),
    ofOneMore: ({ loc }, variables) => ask((loc && count.ofOneMore.get(loc)) ?? 1, variables),
  };
}

/** What is asked of an object. */
interface Asked {
  /** Fields of itself, and of the objects that come with it. */
  readonly fields: number;
  /** What is found for it. */
  readonly items: Amount;
  /** What is asked of each entry, if it is a page. */
  readonly entries?: Asked | undefined;
}

const nothing: Asked = { fields: 0, items: 0 };
const oneField: Asked = { fields: 1, items: 0 };

function allOf(parts: readonly Asked[]): Asked {
  const entries = parts.map((part) => part.entries).filter((each) => each !== undefined);
  return {
    fields: Math.min(
      parts.reduce((sum, { fields }) => sum + fields, 0),
      MOST,
    ),
    items: sumOf(parts.map(({ items }) => items)),
    ...(entries.length > 0 && { entries: allOf(entries) }),
  };
}

/** Reads what an operation asks for. */
class ItemCount {
  readonly #valid: ValidOperation;
  readonly #limits: Limits;
  readonly #lists: ListArguments;
  readonly #ofFragments = new Map<string, Asked>();
  /** What an item costs of each list that says how many are usual, by its place in the document: a field as text has the same one. */
  readonly ofOneMore = new Map<Location, Amount>();

  constructor(valid: ValidOperation, limits: Limits) {
    this.#valid = valid;
    this.#limits = limits;
    this.#lists = new ListArguments(valid, limits);
  }

  total(): Amount {
    const { schema, operation } = this.#valid;
    const asked = this.#ofSelections(operation.selectionSet, schema.getRootType(operation.operation));
    return this.#beyondFirst(asked);
  }

  #ofSelections({ selections }: SelectionSetNode, parent: unknown): Asked {
    return allOf(
      selections.map((selection) => {
        if (selection.kind === Kind.FIELD) return this.#ofField(selection, parent);
        if (selection.kind === Kind.FRAGMENT_SPREAD) return this.#ofFragment(selection.name.value);
        const name = selection.typeCondition?.name.value;
        return this.#ofSelections(selection.selectionSet, name ? this.#valid.schema.getType(name) : parent);
      }),
    );
  }

  #ofFragment(name: string): Asked {
    const known = this.#ofFragments.get(name);
    const fragment = this.#valid.fragments.get(name);
    if (known || !fragment) return known ?? nothing;
    const type = this.#valid.schema.getType(fragment.typeCondition.name.value);
    const { entries, ...own } = this.#ofSelections(fragment.selectionSet, type);
    const asked = {
      ...own,
      items: once(own.items),
      ...(entries && { entries: { ...entries, items: once(entries.items) } }),
    };
    this.#ofFragments.set(name, asked);
    return asked;
  }

  /** Introspection is no field of its parent here: what it costs is counted apart. */
  #ofField(node: FieldNode, parent: unknown): Asked {
    const field = isObjectType(parent) || isInterfaceType(parent) ? parent.getFields()[node.name.value] : undefined;
    if (!field) return oneField;
    const inner = node.selectionSet ? this.#ofSelections(node.selectionSet, getNamedType(field.type)) : nothing;
    const items = itemsOf(field);
    if (items === 'counted by parent') return { ...oneField, entries: inner };
    const read = readsOf(field);
    if (items) {
      const isBare = isListType(getNullableType(field.type));
      const list = this.#ofList(this.#lists.sizeOf(node, field, items), inner, isBare);
      if ('usual' in items && node.loc) this.ofOneMore.set(node.loc, this.#ofList(1, inner, isBare).items);
      return { ...list, items: sumOf([list.items, this.#lists.lookedThroughFor(node)]) };
    }
    if (!node.selectionSet) return { fields: 1, items: read };
    if (isObjectType(parent) && plainFieldOf(parent, field.name)) return inner;
    const isOfRoot = parent === this.#valid.schema.getRootType(this.#valid.operation.operation);
    const found = isOfRoot ? this.#beyondFirst(inner) : sumOf([this.#itemsFor(inner.fields), inner.items]);
    return { fields: 1, items: sumOf([found, read]) };
  }

  /** @param isBare its items are not within a page */
  #ofList(size: Amount, inner: Asked, isBare: boolean): Asked {
    const { entries = nothing, ...page } = isBare ? { ...nothing, entries: inner } : inner;
    const one = sumOf([this.#itemsFor(entries.fields), entries.items]);
    return { fields: 1 + page.fields, items: sumOf([times(size, one), page.items]) };
  }

  /** How many items an object counts of which so many fields are asked for. */
  #itemsFor(fields: number): number {
    return Math.max(1, Math.ceil(fields / this.#limits.fieldsOfOneItem));
  }

  /** The same for what the request itself is charged for. */
  #beyondFirst({ fields, items }: Asked): Amount {
    return sumOf([this.#itemsFor(fields) - 1, items]);
  }
}
