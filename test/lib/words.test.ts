import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const src = join(import.meta.dirname, '../../src');
const words = join(src, 'log/words.ts');

/** Tables with an entry for each word. */
const tables = ['log/words.ts', 'events/words.graphql.ts', 'runs/run-health.ts', 'connections/connection-health.ts'];

/** Everything but the words, parsed once. */
const sourceFiles = new Map<string, ts.SourceFile>();

/** Where the compiler misses an entry for the word `brand_new`, once `words.ts` reads like this. */
function missingEntries(text: string): string[] {
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts'],
    types: [],
  };
  const host = ts.createCompilerHost(options);
  host.getSourceFile = (path, target) => {
    if (path === words) return ts.createSourceFile(path, text, target);
    const source = sourceFiles.get(path) ?? ts.createSourceFile(path, readFileSync(path, 'utf8'), target);
    sourceFiles.set(path, source);
    return source;
  };
  // The tables need nothing but the words and their own types.
  host.resolveModuleNameLiterals = (literals) =>
    literals.map((literal) => ({
      resolvedModule: literal.text.endsWith('/words.ts')
        ? { resolvedFileName: words, extension: ts.Extension.Ts }
        : undefined,
    }));
  const paths = tables.map((path) => join(src, path));
  const program = ts.createProgram({ rootNames: paths, options, host });
  return paths.flatMap((path, index) => {
    const found = program.getSemanticDiagnostics(program.getSourceFile(path));
    const texts = found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
    return texts.some((each) => each.includes("Property 'brand_new' is missing")) ? [tables[index] ?? ''] : [];
  });
}

describe('a word that joins the wire format', () => {
  const text = readFileSync(words, 'utf8');
  const withNew = (list: string) =>
    text.replace(new RegExp(`(const ${list} = \\[[^\\]]*')(,?\\s*\\] as const)`), "$1, 'brand_new'$2");

  it('breaks no table as long as it is none', () => {
    expect(missingEntries(text)).toEqual([]);
  });

  it.each([
    ['source', 'needs its name, its patience and when its connection is overdue', 'sourceWords', [1, 2, 3]],
    ['stage', 'needs its name', 'stageWords', [1]],
    ['status', 'needs its name and whether it finishes a run', 'statusWords', [0, 1]],
  ] as const)('as a %s %s, or the compiler refuses it', (_kind, _needs, list, places) => {
    expect(withNew(list)).not.toBe(text);
    expect(missingEntries(withNew(list))).toEqual(places.map((place) => tables[place]));
  });
});
