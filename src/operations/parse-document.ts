import { type DocumentNode, Lexer, type ParseOptions, parse, Source, TokenKind } from 'graphql';
import { AppError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { checkCounts } from './check-counts.ts';
import { checkDepth } from './check-depth.ts';

const opening: ReadonlySet<string> = new Set([TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L]);
const closing: ReadonlySet<string> = new Set([TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R]);

/**
 * GraphQL's `parse` for documents within these limits. What is too large is refused before a tree is built of it, what is
 * too deep or asks for too much at once before it is validated.
 * @throws AppError LIMIT_EXCEEDED; GraphQLError for a syntax error.
 */
export function parseWithin(limits: Limits): typeof parse {
  return (text: string | Source, options?: ParseOptions): DocumentNode => {
    const source = typeof text === 'string' ? new Source(text) : text;
    checkTokens(source, limits);
    const document = parse(source, options);
    checkDepth(document, limits);
    checkCounts(document, limits);
    return document;
  };
}

/** Has a text more tokens than a document may have? It is read no further. @throws GraphQLError for what is no token */
export function isTooLong(text: string, { documentTokens }: Pick<Limits, 'documentTokens'>): boolean {
  const lexer = new Lexer(new Source(text));
  for (let tokens = 0; tokens <= documentTokens; tokens += 1) if (lexer.advance().kind === TokenKind.EOF) return false;
  return true;
}

function checkTokens(source: Source, { documentTokens, documentBrackets }: Limits): void {
  const lexer = new Lexer(source);
  const refuse = (what: string, start: number) => {
    throw new AppError('LIMIT_EXCEEDED', `A document may have at most ${what}`, {}, { source, positions: [start] });
  };
  let tokens = 0;
  let open = 0;
  for (let { kind, start } = lexer.advance(); kind !== TokenKind.EOF; { kind, start } = lexer.advance()) {
    tokens += 1;
    if (opening.has(kind)) open += 1;
    else if (closing.has(kind)) open -= 1;
    if (tokens > documentTokens) refuse(`${documentTokens} tokens, and here begins the next one`, start);
    if (open > documentBrackets)
      refuse(`${documentBrackets} brackets open at once, and here opens the next one`, start);
  }
}
