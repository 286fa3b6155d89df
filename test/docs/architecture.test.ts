import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, posix, sep } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const generated = 'db/generated/';

/**
 * The layers of src/, lowest first. A file imports from its own layer and from lower ones. `apart`: folders of this
 * layer do not import one another. A file belongs to the highest layer that its path fits.
 */
const layers: readonly { name: string; files: RegExp; apart?: true }[] = [
  { name: 'lib', files: /^lib\// },
  { name: 'tables', files: /^(errors|limits)\.ts$/ },
  { name: 'database', files: /^db\// },
  { name: 'instances', files: /^instances\// },
  { name: 'audit', files: /^audit\// },
  { name: 'log and viewer', files: /^(auth|log)\//, apart: true },
  { name: 'nouns', files: /^((runs|users|data-types|connections|reasons|access|events)\/|sources\/[^/]+$)/ },
  { name: 'installed sources', files: /^sources\/([^/]+\/|installed\.ts$)/ },
  { name: 'services', files: /^services\.ts$/ },
  { name: 'graphql kit', files: /^graphql\/(?!.*\.graphql\.ts$)/ },
  { name: 'operations and gate', files: /^(operations|gate)\//, apart: true },
  {
    name: 'graphql modules',
    files: /^(audit|events|runs|users|data-types|connections|reasons|access|sources)\/[^/]+\.graphql\.ts$/,
  },
  { name: 'schema', files: /^schema\.ts$/ },
  { name: 'transports', files: /^transports\// },
  { name: 'settings', files: /^(settings\/|(config|failure-text)\.ts$)/ },
  { name: 'app', files: /^(open-services|app)\.ts$/ },
  { name: 'demo', files: /^demo\// },
  { name: 'doctor', files: /^doctor\// },
  { name: 'process', files: /^(main\.ts$|cli\/|demo\/command\.ts$)/ },
];

/** The only files that import a generated client. */
const knowsClient = /^db\/(rows|sql|open-sqlite|open-postgres)\.ts$/;

/** The folder of a source. Only the source itself and the list of sources import from it. */
const sourceFolder = /^sources\/[^/]+\//;
const sourceList = 'sources/installed.ts';

/** Packages that nothing below the layer `graphql kit` imports, but for the files in `except`. */
const graphqlPackages = { names: /^(@pothos\/|@graphql-|graphql($|[-/]))/, from: 'graphql kit', except: ['errors.ts'] };

/** What of `process` belongs to the files that are a process: the layer `process`. */
const processMembers = /^(env|argv|on|once|off|exit|exitCode|abort|kill|chdir|stdin|stdout|stderr)$/;

/** Code is TypeScript, and `graphql` and `test` are the only roles that a name ends with; data may have any extension. */
const fileName = /^[a-z0-9]+(-[a-z0-9]+)*((\.(graphql|test))?\.ts|\.(?![cm]?[jt]sx?$)[a-z0-9]+)$/;
const folderName = /^[a-z0-9]+(-[a-z0-9]+)*$/;
/** Words that name a drawer instead of what is in it. */
const drawerNames = /^(index|(.+-)?(utils?|helpers?|common|managers?|misc|shared)(-.+)?)(\..+)?$/;
const longestFile = 300;

/** Nothing in the repository may need, or name, the machine that it was written on or where its packages came from. */
const foreignText = [
  { rule: 'names a folder outside of the repository', text: /\.\.\/(shared|\.library)\b/ },
  { rule: 'holds an absolute path of a machine', text: /(?<![\w./-])\/(work|root)\/[\w.-]/ },
  { rule: 'names a package registry', text: /\b(registry\.(npmjs|yarnpkg)|deb\.debian|npm\.pkg\.github)\./ },
];

/** Paths below a folder, with `/` between their parts and each file's text. */
type Sources = ReadonlyMap<string, string>;

interface SourceFile {
  readonly path: string;
  readonly layer: number;
  /** Paths inside src/. */
  readonly imports: readonly string[];
  readonly packages: readonly string[];
  readonly processMembers: readonly string[];
}

const layerOf = (path: string) => layers.findLastIndex(({ files }) => files.test(path));
const layerNamed = (name: string) => layers.findIndex((layer) => layer.name === name);
const folderOf = (path: string) => path.split('/')[0];

/** What a file imports in any form (types, re-exports and `import()` too), and what it takes from `process`. */
function parse(path: string, text: string): SourceFile {
  const imports: string[] = [];
  const packages: string[] = [];
  const members: string[] = [];

  function visit(node: ts.Node): void {
    const specifier = specifierOf(node);
    if (specifier && ts.isStringLiteralLike(specifier)) {
      if (specifier.text.startsWith('.')) imports.push(posix.join(posix.dirname(path), specifier.text));
      else packages.push(specifier.text);
    }
    const member = processMemberOf(node);
    if (member) members.push(member);
    ts.forEachChild(node, visit);
  }

  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true));
  return { path, layer: layerOf(path), imports, packages, processMembers: members };
}

function specifierOf(node: ts.Node): ts.Node | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier;
  if (ts.isImportTypeNode(node)) return ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined;
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) return node.arguments[0];
  return undefined;
}

/** What of `process` a node takes; where that cannot be told, because it is passed on or taken apart, `env`. */
function processMemberOf(node: ts.Node): string | undefined {
  if (ts.isStringLiteralLike(node)) return /^(node:)?process$/.test(node.text) ? 'env' : undefined;
  if (!ts.isIdentifier(node) || node.text !== 'process' || ts.isPropertyAssignment(node.parent)) return undefined;
  const isMember = ts.isPropertyAccessExpression(node.parent) && node.parent.name === node;
  if (isMember && !/^global(This)?$/.test(node.parent.expression.getText())) return undefined;
  const whole = isMember ? node.parent : node;
  return ts.isPropertyAccessExpression(whole.parent) ? whole.parent.name.text : 'env';
}

/** One line for each broken rule of the imports in src/, with the file that breaks it first. */
function brokenImportRules(sources: Sources): string[] {
  const files = [...sources].map(([path, text]) => parse(path, text));
  return [...files.flatMap((file) => brokenRulesOf(file, sources)), ...cyclesOf(files)];
}

function brokenRulesOf(file: SourceFile, sources: Sources): string[] {
  const broken: string[] = [];
  const own = layers[file.layer];
  if (!own) return [`src/${file.path}: is in none of the layers that test/docs/architecture.test.ts knows`];
  const found = (rule: string) => broken.push(`src/${file.path} (${own.name}): ${rule}`);

  for (const target of file.imports) {
    if (target.startsWith(generated) && !knowsClient.test(file.path))
      found(`imports src/${target}: rows come from src/db/rows.ts and SQL from src/db/sql.ts`);
    if (target.startsWith('../')) found(`imports ${target}, which is outside of src/`);
    else if (!target.startsWith(generated)) {
      if (!sources.has(target)) found(`imports src/${target}, which does not exist`);
      const [source] = sourceFolder.exec(target) ?? [];
      if (source && file.path !== sourceList && !file.path.startsWith(source))
        found(`imports src/${target}, but only src/${sourceList} imports from the folder of a source`);
      const targetLayer = layerOf(target);
      if (targetLayer > file.layer) found(`imports src/${target} from the higher layer "${layers[targetLayer]?.name}"`);
      if (own.apart && targetLayer === file.layer && folderOf(target) !== folderOf(file.path))
        found(`imports src/${target}, but ${folderOf(file.path)}/ and ${folderOf(target)}/ are kept apart`);
    }
  }
  for (const name of file.packages) {
    if (name.startsWith('#')) found(`imports ${name}, an alias that hides the direction`);
    const { names, from, except } = graphqlPackages;
    if (file.layer < layerNamed(from) && names.test(name) && !except.includes(file.path))
      found(`imports ${name}, which belongs to "${from}" and above`);
  }
  if (file.layer !== layerNamed('process'))
    for (const member of file.processMembers.filter((name) => processMembers.test(name)))
      found(`uses process.${member}, which belongs to src/main.ts and src/cli/`);
  return broken;
}

/** Every import that closes a circle, by a search in depth; imports of types count like any other. */
function cyclesOf(files: readonly SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const finished = new Set<string>();
  const cycles: string[] = [];

  function follow(path: string, trail: readonly string[]): void {
    const start = trail.indexOf(path);
    if (start >= 0) {
      const circle = [...trail.slice(start), path].map((step) => `src/${step}`);
      cycles.push(`${circle[0]}: imports itself in a circle, ${circle.join(' -> ')}`);
    } else if (!finished.has(path)) {
      for (const target of byPath.get(path)?.imports ?? []) follow(target, [...trail, path]);
      finished.add(path);
    }
  }

  for (const { path } of files) follow(path, []);
  return cycles;
}

function brokenNames(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    const parts = path.split('/');
    const folders = parts.slice(0, -1);
    return [
      ...(fileName.test(basename(path)) ? [] : [`${path}: file name is not kebab-case, or not TypeScript`]),
      ...folders.filter((part) => !folderName.test(part)).map((part) => `${path}: folder ${part} is not kebab-case`),
      ...parts.filter((part) => drawerNames.test(part)).map((part) => `${path}: ${part} names a drawer, not a thing`),
    ];
  });
}

/** One line for each file that has the name of another one: a name that is searched for must lead to one file. */
function sharedNames(paths: readonly string[]): string[] {
  return paths.flatMap((path, index) => {
    const first = paths.findIndex((other) => basename(other) === basename(path));
    return first < index ? [`${path}: has the name of ${paths[first]}, and holds something else`] : [];
  });
}

function filesBelow(folder: string): Map<string, string> {
  const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(root, folder).length + 1))
    .map((path) => path.split(sep).join('/'))
    .filter((path) => !(folder === 'src' && path.startsWith(generated)))
    .sort();
  return new Map(paths.map((path) => [path, readFileSync(join(root, folder, path), 'utf8')]));
}

describe('src/', () => {
  const sources = filesBelow('src');

  it('imports in one direction along the layers, without circles, and reads the process at its edge only', () => {
    expect(sources.size).toBeGreaterThan(0);
    expect(brokenImportRules(sources)).toEqual([]);
  });

  it('names its files and folders in kebab-case after what they hold, as test/ does', () => {
    const paths = ['src', 'test'].flatMap((folder) =>
      [...filesBelow(folder).keys()].map((path) => posix.join(folder, path)),
    );
    expect(brokenNames(paths)).toEqual([]);
  });

  it('has no two files of one name', () => {
    expect(sharedNames([...sources.keys()])).toEqual([]);
  });

  it(`has no file of more than ${longestFile} lines`, () => {
    const long = [...sources].map(([path, text]) => ({ path, lines: text.trimEnd().split('\n').length }));
    expect(
      long
        .filter(({ lines }) => lines > longestFile)
        .map(({ path, lines }) => `src/${path}: ${lines} lines, the bound is ${longestFile}`),
    ).toEqual([]);
  });
});

describe('the repository', () => {
  // A copy without its history cannot say which files are part of it.
  it.skipIf(!existsSync(join(root, '.git')))('names no machine, no folder beside it and no package registry', () => {
    const git = ['-c', 'safe.directory=*', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'];
    const paths = execFileSync('git', git, { cwd: root, encoding: 'utf8' }).split('\0').filter(Boolean);
    expect(paths).toContain('package-lock.json');
    const broken = paths
      .filter((path) => existsSync(join(root, path)))
      .flatMap((path) => {
        const lines = readFileSync(join(root, path), 'utf8').split('\n');
        return foreignText.flatMap(({ rule, text }) =>
          lines.flatMap((line, index) => (text.test(line) ? [`${path}:${index + 1}: ${rule}`] : [])),
        );
      });
    expect(broken).toEqual([]);
  });
});

describe('the rules above see', () => {
  const imports = (...files: [path: string, text: string][]) => brokenImportRules(new Map(files)).join('\n');

  it.each([
    ['a value', "import { b } from '../app.ts';"],
    ['a type', "import type { b } from '../app.ts';"],
    ['a re-export', "export * from '../app.ts';"],
    ['an import() call', "const b = await import('../app.ts');"],
    ['a type in place', "let b: import('../app.ts').B;"],
  ])('an import of a higher layer: %s', (_form, text) => {
    expect(imports(['db/a.ts', text], ['app.ts', ''])).toBe(
      'src/db/a.ts (database): imports src/app.ts from the higher layer "app"',
    );
  });

  it('a circle within one layer, of types alone', () => {
    const circle = imports(
      ['runs/a.ts', "import type { B } from '../users/b.ts';"],
      ['users/b.ts', "import type { A } from '../runs/a.ts';"],
    );
    expect(circle).toBe('src/runs/a.ts: imports itself in a circle, src/runs/a.ts -> src/users/b.ts -> src/runs/a.ts');
  });

  it.each([
    ['a file in no layer', 'tools/a.ts', '', 'none of the layers'],
    ['a graphql module outside of the noun folders', 'graphql/a.graphql.ts', '', 'none of the layers'],
    ['a graphql module in the kit', 'graphql/a.ts', "import '../runs/b.graphql.ts';", 'layer "graphql modules"'],
    ['the log from auth', 'auth/a.ts', "import '../log/b.ts';", 'are kept apart'],
    ['a source in a transport', 'transports/a.ts', "import '../sources/b/c.ts';", 'only src/sources/installed.ts'],
    ['a source in another', 'sources/a/a.ts', "import '../b/c.ts';", 'only src/sources/installed.ts'],
    ['the services in a source', 'sources/a/a.ts', "import '../../services.ts';", 'higher layer "services"'],
    ['a generated client', 'runs/a.ts', "import '../db/generated/sqlite/client.ts';", 'rows come from src/db/rows.ts'],
    ['a path that leaves src/', 'db/a.ts', "import '../../test/b.ts';", 'outside of src/'],
    ['an alias', 'db/a.ts', "import '#b';", 'hides the direction'],
    ['graphql in a noun', 'runs/a.ts', "import { parse } from 'graphql';", 'imports graphql, which belongs to'],
    ['a type of Pothos in a noun', 'users/a.ts', "import type { T } from '@pothos/core';", 'imports @pothos/core'],
    ['the environment', 'app.ts', 'const a = process.env.PORT;', 'uses process.env'],
    ['a signal handler', 'app.ts', "globalThis.process.on('SIGTERM', stop);", 'uses process.on'],
    ['a process by its key', 'app.ts', "const a = process['env'];", 'uses process.env'],
    ['an exit', 'transports/http.ts', 'process.exit(1);', 'uses process.exit'],
    ['a process taken apart', 'app.ts', 'const { env } = process;', 'uses process.env'],
    ['a process imported', 'app.ts', "import { env } from 'node:process';", 'uses process.env'],
  ])('%s', (_what, path, text, rule) => {
    expect(imports([path, text], ['log/b.ts', ''], ['runs/b.graphql.ts', ''])).toContain(rule);
  });

  it('nothing wrong where nothing is', () => {
    const files: [string, string][] = [
      ['errors.ts', "import { GraphQLError } from 'graphql';"],
      ['log/b.ts', "import '../errors.ts'; const age = process.uptime(); const a = { process: 1 };"],
      ['runs/a.graphql.ts', "import '../graphql/builder.ts'; import '../log/b.ts'; import 'graphql';"],
      ['graphql/builder.ts', "import '@pothos/core'; import type { X } from '../db/rows.ts';"],
      ['db/rows.ts', "export type { X } from './generated/pothos.ts';"],
      ['sources/b/c.ts', "import './d.ts'; import '../../log/b.ts';"],
      ['sources/b/d.ts', ''],
      ['sources/installed.ts', "import './b/c.ts';"],
      ['main.ts', "process.on('SIGTERM', () => process.exit(Number(process.env.CODE)));"],
    ];
    expect(imports(...files)).toBe('');
  });

  it('names that are not kebab-case, and drawers', () => {
    const good = [
      'src/runs/run-health.ts',
      'src/runs/runs.graphql.ts',
      'test/runs.test.ts',
      'test/support/a-day.jsonl',
    ];
    const bad = ['src/Run.ts', 'src/a_b.ts', 'src/utils/a.ts', 'src/date-helpers.ts', 'src/runs/index.ts', 'src/a.js'];
    expect(brokenNames(good)).toEqual([]);
    for (const path of bad) expect(brokenNames([path]), path).toHaveLength(1);
  });

  it('two files of one name', () => {
    const paths = ['log/columns.ts', 'runs/runs.ts', 'runs/runs.graphql.ts', 'db/columns.ts'];
    expect(sharedNames(paths)).toEqual(['db/columns.ts: has the name of log/columns.ts, and holds something else']);
  });
});
