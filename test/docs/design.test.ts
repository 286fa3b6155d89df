import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const matches = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, found = '']) => found);

const codeIn = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((path) => `${folder}/${path.split(sep).join('/')}`)
    .filter((path) => path.endsWith('.ts') && !path.startsWith('src/db/generated/'));

const { scripts } = JSON.parse(read('package.json'));
const design = read('docs/design.md');
const readme = read('README.md');
const contributing = read('CONTRIBUTING.md');
const glossary = read('docs/glossary.md');
const proofs = matches(read('test/proofs/faults/prove.ts'), /hold\('([a-z-]+)'/g);
const decisions = readdirSync(join(root, 'docs/decisions')).sort();
const pages = [root, join(root, 'docs'), join(root, 'docs/decisions')]
  .flatMap((folder) => readdirSync(folder).map((name) => relative(root, join(folder, name))))
  .filter((path) => path.endsWith('.md'))
  .map((path) => ({ path, text: read(path) }));

/** What stands between backticks and looks like a path from the root: in a folder of the root, or a file with an extension. */
const citedPath =
  /`((?:(?:src|test|docs|prisma|packages)\/|[\w.-][\w./-]*\.(?:ts|md|json|graphql|prisma)\b)[^`<>*{}\s]*)`/g;
/** Links to files, without their anchors. */
const citedScript = /npm run (?:--silent )?([a-z:-]+)/g;
const citedLink = /\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g;

/** `### I1. …` and all up to the next heading. */
const invariants = new Map(
  design
    .split(/^(?=##)/m)
    .map((section) => ({ section, name: /^### (I\d+)\. /.exec(section)?.[1] }))
    .flatMap(({ section, name }) => (name === undefined ? [] : [[name, section] as const])),
);

describe('the pages about the code', () => {
  test('cite paths and name scripts, which the next tests look at', () => {
    const all = pages.map(({ text }) => text).join('\n');
    expect(matches(all, citedPath).length).toBeGreaterThan(50);
    expect(matches(all, citedScript).length).toBeGreaterThan(10);
  });

  test.each(pages)('cite files and folders that exist: $path', ({ path, text }) => {
    const linked = matches(text, citedLink).map((link) => relative(root, join(root, dirname(path), link)));
    const missing = [...matches(text, citedPath), ...linked].filter((cited) => !existsSync(join(root, cited)));
    expect(missing).toEqual([]);
  });

  test.each(pages)('name scripts that exist: $path', ({ text }) => {
    for (const name of matches(text, citedScript)) expect(Object.keys(scripts)).toContain(name);
  });

  test('describe I1 to I10, each with where it is kept and what proves it', () => {
    expect([...invariants.keys()]).toEqual(Array.from({ length: 10 }, (_, index) => `I${index + 1}`));
    for (const [name, section] of invariants) {
      const [, keptBy = '', provedBy = ''] = section.split(/^- \*(?:Kept|Proved) by:\*/m);
      expect(matches(keptBy, citedPath), `${name} is kept by`).not.toEqual([]);
      const tests = matches(provedBy, citedPath);
      expect(tests, `${name} is proved by`).not.toEqual([]);
      expect(tests.filter((path) => !/^test\/.+\.test\.ts$/.test(path))).toEqual([]);
      const named = matches(provedBy, /`([a-z-]+)`/g);
      expect(named.filter((proof) => !proofs.includes(proof))).toEqual([]);
    }
  });

  test('have every invariant that code or tests cite', () => {
    const cited = [...codeIn('src'), ...codeIn('test')].flatMap((path) =>
      matches(read(path), /\b(I[1-9]\d*)\b/g).map((name) => ({ path, name })),
    );
    expect(cited.length).toBeGreaterThan(0);
    expect(cited.filter(({ name }) => !invariants.has(name))).toEqual([]);
  });

  test('list the layers that the test of imports holds, in its order', () => {
    const held = matches(read('test/docs/architecture.test.ts'), /^ {2}\{\s+name: '([^']+)',\s+files:/gm);
    const rooms = design.slice(design.indexOf('## The rooms'), design.indexOf('## The machines'));
    const [, ...listed] = matches(rooms, /^\| ([^|]+?) \|/gm);
    expect(listed).toEqual(held);
  });

  test('define every term once', () => {
    const terms = matches(glossary, /^\| \*\*(.+?)\*\* \|/gm);
    expect(terms.length).toBeGreaterThan(50);
    expect(terms.filter((term, index) => terms.indexOf(term) !== index)).toEqual([]);
  });

  test('number the decisions, and say of each what would change it', () => {
    expect(decisions.map((name) => name.slice(0, 5))).toEqual(
      decisions.map((_, index) => `${String(index + 1).padStart(4, '0')}-`),
    );
    for (const name of decisions)
      expect(matches(read(`docs/decisions/${name}`), /^## (.+)$/gm), name).toEqual([
        'Context',
        'Decision',
        'Consequences',
        'What would make us change it',
      ]);
  });

  test('say of each folder of tests what runs on both databases', () => {
    const both = contributing.split('\n').filter((line) => line.endsWith('| SQLite and Postgres |'));
    const [, folders = ''] = /const behaviour = \[(.+?)\]/.exec(read('vitest.config.ts')) ?? [];
    expect(both.flatMap((line) => matches(line, /`test\/([a-z]+)\/`/g)).sort()).toEqual(matches(folders, /'(\w+)'/g));
  });
});

describe("README's tree", () => {
  const tree = readme.slice(readme.indexOf('## How the code'), readme.indexOf('## Contribute'));
  const entries = (folder: 'src' | 'test') =>
    matches(tree, new RegExp(`^${folder}/(.+?)(?: {2,}.*)?$`, 'gm'))
      .flatMap((names) => names.split(' '))
      .map((name) => name.replace(/\/$/, ''));

  test.each(['src', 'test'] as const)('is the tree: %s/', (folder) => {
    expect(entries(folder).sort()).toEqual(readdirSync(join(root, folder)).sort());
  });
});

test('the table of events is named in the room of the log only (I9)', () => {
  const files = codeIn('src').filter((path) => !path.startsWith('src/log/'));
  expect(files.length).toBeGreaterThan(50);
  expect(files.filter((path) => /\bsync_event\b|\.syncEvent\./.test(read(path)))).toEqual([]);
});

test('CI runs `.ci/run`, on the Node that .nvmrc names', () => {
  const workflow = read('.github/workflows/ci.yml');
  expect(workflow).toContain('- run: .ci/run\n');
  expect(workflow).toContain(`container: node:${read('.nvmrc').trim()}-`);
});
