import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
} from 'graphql';
import { SelectionRewriter } from './rewrite-selections.ts';
import { withTextFields } from './text-schema.ts';
import { valueWriter, type WriteValue } from './value-writer.ts';

type Fragments = ReadonlyMap<string, FragmentDefinitionNode>;

/** How a field of a document is written. */
interface TextSelection {
  readonly fragments: Fragments;
  /** The variables by which directives may leave fields out. */
  readonly switches: readonly string[];
  /** Those found so far, by the values of the switches. */
  readonly writers: Map<string, WriteValue>;
}

/** An operation whose plain selections come as text, to be executed with the schema of {@link TextSelections}. */
export interface TextOperation {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
}

/** Combinations of switches for which the writers of a field are kept. */
const MAX_WRITERS = 4;
/**
 * So many fields of a document are written as text for each of its characters. What is kept of documents is bounded by
 * their characters, and fragments of fragments can bring fields that are many more.
 */
const FIELDS_PER_CHARACTER = 1 / 4;

/**
 * Has those fields of operations written as text whose selections are plain all the way down: most of a large answer.
 * What is above them, and all others, is executed by graphql-js.
 */
export class TextSelections {
  /** What a {@link TextOperation} is executed with. */
  readonly schema: GraphQLSchema;
  readonly #original: GraphQLSchema;
  readonly #selections = new WeakMap<FieldNode, TextSelection>();
  /** Of fields that an operation asks for several times: graphql-js has one list of them for all items of a list. */
  readonly #joined = new WeakMap<readonly FieldNode[], WriteValue>();

  constructor(schema: GraphQLSchema) {
    this.#original = schema;
    this.schema = withTextFields(schema, (type, info) => this.#findWriter(type, info));
  }

  /** @returns undefined for an operation without plain selections, and for one that asks for the schema. It belongs to a valid document with these fragments. */
  rewrite(operation: OperationDefinitionNode, fragments: Fragments): TextOperation | undefined {
    const root = this.#original.getRootType(operation.operation);
    if (!root) return undefined;
    const rewriter = new SelectionRewriter(
      this.#original,
      fragments,
      FIELDS_PER_CHARACTER * (operation.loc?.source.body.length ?? 0),
    );
    const rewritten = { ...operation, selectionSet: rewriter.rewrite(operation.selectionSet, root) };
    const others = Array.from(fragments.values(), (each) => rewriter.rewriteFragment(each));
    if (rewriter.textFields.length === 0 || rewriter.asksForSchema) return undefined;
    const switches = switchesOf(operation);
    for (const field of rewriter.textFields) this.#selections.set(field, { fragments, switches, writers: new Map() });
    return { document: { kind: Kind.DOCUMENT, definitions: [rewritten, ...others] }, operation: rewritten };
  }

  #findWriter(type: GraphQLOutputType, { fieldNodes, variableValues: variables }: GraphQLResolveInfo): WriteValue {
    const [node, another] = fieldNodes;
    const selection = node && this.#selections.get(node);
    if (!selection) throw new Error('Only fields that were rewritten are resolved as text');
    const { fragments, switches, writers } = selection;
    const key = switches.map((name) => String(variables[name])).join();
    const known = another ? this.#joined.get(fieldNodes) : writers.get(key);
    if (known) return known;
    const writer = valueWriter(type, fieldNodes, { fragments, variables });
    if (another) this.#joined.set(fieldNodes, writer);
    else {
      if (writers.size === MAX_WRITERS) writers.clear();
      writers.set(key, writer);
    }
    return writer;
  }
}

/** Only variables of this type can stand in a directive that leaves fields out. */
function switchesOf({ variableDefinitions = [] }: OperationDefinitionNode): string[] {
  return variableDefinitions
    .filter(({ type }) => {
      const named = type.kind === Kind.NON_NULL_TYPE ? type.type : type;
      return named.kind === Kind.NAMED_TYPE && named.name.value === 'Boolean';
    })
    .map(({ variable }) => variable.name.value);
}
