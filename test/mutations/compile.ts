import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import ts from 'typescript';
import { root } from './copy.ts';
import { type Fault, plantIn } from './fault.ts';

/** That something is not used any more is what many a fault comes to. */
const unused: ReadonlySet<number> = new Set([6133, 6138, 6192, 6196, 6198]);

/** Why a fault is no program that compiles; nothing for one that does. Each fault is compiled alone, in memory. */
export function createCompiler(): (fault: Fault) => string | undefined {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  let changed: { readonly path: string; readonly text: string } | undefined;
  let version = 0;
  const touched = new Map<string, number>();
  const textOf = (path: string) => (path === changed?.path ? changed.text : ts.sys.readFile(path));
  const service = ts.createLanguageService({
    getCompilationSettings: () => options,
    getScriptFileNames: () => [...touched.keys()],
    getScriptVersion: (path) => String(touched.get(path) ?? 0),
    getScriptSnapshot: (path) => {
      const text = textOf(path);
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
    },
    getCurrentDirectory: () => root,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: ts.sys.fileExists,
    readFile: textOf,
  });
  return (fault) => {
    const path = resolve(root, fault.file);
    if (changed) touched.set(changed.path, ++version);
    changed = { path, text: plantIn(readFileSync(path, 'utf8'), fault) };
    touched.set(path, ++version);
    const found = [...service.getSyntacticDiagnostics(path), ...service.getSemanticDiagnostics(path)];
    const wrong = found.find(({ code }) => !unused.has(code));
    return wrong && ts.flattenDiagnosticMessageText(wrong.messageText, ' ');
  };
}
