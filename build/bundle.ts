import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { packageFolder } from '../src/lib/package-folder.ts';
import { licenseTexts, packagesOf } from './licenses.ts';

const { resolve: find } = createRequire(import.meta.url);

/** What a supervisor runs, and all commands. */
const entryPoints = { main: 'src/main.ts', synclog: 'src/cli/synclog.ts' };
/** What cannot be bundled: machine code, which `libsql` finds for the machine that it runs on. */
const external = ['libsql', 'pg-native'];
/** Files that are served as they are. */
const assets = ['swagger-ui-dist/swagger-ui.css', 'swagger-ui-dist/swagger-ui-bundle.js'];
/** Names the files of one build, as the modules of the one before it stand beside them. */
const LIST = 'files.json';
/** Packages in the older format ask for modules by `require`, which modules in the newer one do not have. */
const requireInModules = `import { createRequire as requireFrom } from 'node:module';
const require = requireFrom(import.meta.url);`;

/** One graphql for all packages: two do not know each other's types. */
const oneGraphql: Plugin = {
  name: 'one-graphql',
  setup: ({ onResolve }) => onResolve({ filter: /^graphql$/ }, () => ({ path: find('graphql') })),
};

/** What has been built. */
interface Built {
  readonly files: number;
  readonly bytes: number;
  /** How many packages have code in it. */
  readonly packages: number;
}

/**
 * Bundles the server with all of its packages but libsql. The folder is replaced when the whole is there: a build that
 * fails, or runs beside another one, leaves something whole, and so does one under a server that runs.
 * @param out a folder in the folder of the project
 * @param clean leaves out the modules of the build before, which such a server may still load
 * @throws Error where a module cannot be found or read
 */
export async function bundle(out: string, { clean }: { readonly clean: boolean }): Promise<Built> {
  const folder = resolve(packageFolder, out);
  mkdirSync(dirname(folder), { recursive: true });
  const fresh = mkdtempSync(`${folder}-`);
  chmodSync(fresh, 0o755); // a temporary folder is its maker's alone, and the server may run as somebody else
  try {
    const { metafile } = await build({
      absWorkingDir: packageFolder,
      entryPoints,
      outdir: fresh,
      bundle: true,
      splitting: true,
      platform: 'node',
      format: 'esm',
      target: 'node20.19',
      external,
      plugins: [oneGraphql],
      banner: { js: requireInModules },
      legalComments: 'none',
      metafile: true,
      logLevel: 'warning',
    });
    for (const name of assets) cpSync(find(name), join(fresh, 'assets', name));
    const packages = packagesOf([...Object.keys(metafile.inputs), ...assets.map((name) => `node_modules/${name}`)]);
    writeFileSync(join(fresh, 'licenses.txt'), licenseTexts(packages));
    const sizes = filesIn(fresh).map((file) => statSync(file).size);
    writeFileSync(join(fresh, LIST), JSON.stringify(readdirSync(fresh)));
    if (!clean) keepModules(folder, fresh);
    replaceBy(fresh, folder);
    return { files: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0), packages: packages.length };
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}

/** A server that was started before has not loaded all of its modules yet. They have their content's hash in their names. */
function keepModules(former: string, fresh: string): void {
  const list = join(former, LIST);
  const names: string[] = existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : [];
  for (const name of names)
    if (/-[A-Z0-9]{8}\.js$/.test(name) && !existsSync(join(fresh, name))) cpSync(join(former, name), join(fresh, name));
}

/** Puts a folder in the place of another one. */
function replaceBy(fresh: string, folder: string): void {
  const former = `${fresh}-former`;
  if (existsSync(folder)) renameSync(folder, former);
  renameSync(fresh, folder);
  rmSync(former, { recursive: true, force: true });
}
