import {
  type DocumentNode,
  type FragmentDefinitionNode,
  Kind,
  Lexer,
  type ParseOptions,
  parse,
  type SelectionSetNode,
  Source,
  TokenKind,
} from 'graphql';
import { AppError } from '../errors.ts';
import type { Limits } from '../limits.ts';

type DocumentLimits = Pick<Limits, 'documentTokens' | 'documentDepth' | 'documentBrackets'>;

const opening: ReadonlySet<string> = new Set([TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L]);
const closing: ReadonlySet<string> = new Set([TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R]);

/**
 * GraphQL's `parse` for documents within these limits. What is too large is refused before a
 * tree is built of it, what is too deep before it is validated.
 * @throws AppError LIMIT_EXCEEDED; GraphQLError for a syntax error.
 */
export function parseWithin(limits: DocumentLimits): typeof parse {
  return (text: string | Source, options?: ParseOptions) => {
    const source = typeof text === 'string' ? new Source(text) : text;
    checkTokens(source, limits);
    const document = parse(source, options);
    checkDepth(document, limits.documentDepth);
    return document;
  };
}

function checkTokens(source: Source, { documentTokens, documentBrackets }: DocumentLimits): void {
  const lexer = new Lexer(source);
  let tokens = 0;
  let open = 0;
  for (let { kind } = lexer.advance(); kind !== TokenKind.EOF; { kind } = lexer.advance()) {
    tokens += 1;
    if (opening.has(kind)) open += 1;
    else if (closing.has(kind)) open -= 1;
    if (tokens > documentTokens)
      throw new AppError('LIMIT_EXCEEDED', `A document may have at most ${documentTokens} tokens`);
    if (open > documentBrackets)
      throw new AppError('LIMIT_EXCEEDED', `A document may have at most ${documentBrackets} brackets open at once`);
  }
}

/** A field counts as one level, a fragment as none. Fragments in a circle are left to validation. */
function checkDepth({ definitions }: DocumentNode, max: number): void {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of definitions)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  /** The deepest level at which each fragment was looked into. */
  const lookedInto = new Map<string, number>();
  const within = new Set<string>();

  function enter({ selections }: SelectionSetNode, level: number): void {
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) {
        if (level > max) throw new AppError('LIMIT_EXCEEDED', `A document may be nested at most ${max} fields deep`);
        if (selection.selectionSet) enter(selection.selectionSet, level + 1);
      } else if (selection.kind === Kind.INLINE_FRAGMENT) enter(selection.selectionSet, level);
      else enterFragment(selection.name.value, level);
    }
  }

  function enterFragment(name: string, level: number): void {
    const fragment = fragments.get(name);
    if (!fragment || within.has(name) || (lookedInto.get(name) ?? 0) >= level) return;
    lookedInto.set(name, level);
    within.add(name);
    enter(fragment.selectionSet, level);
    within.delete(name);
  }

  for (const definition of definitions)
    if (definition.kind === Kind.OPERATION_DEFINITION) enter(definition.selectionSet, 1);
}
