import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** The folder of the package, with package.json and `prisma/`: above `src/`, and above `dist/` where this is built. */
export const packageFolder = folderWith('package.json', import.meta.dirname);

/** Is this a checkout, with the source and npm's scripts, and not what has been installed or copied from a build? */
export const isCheckout = existsSync(join(packageFolder, 'src'));

/**
 * Text that names commands as npm has them, such as `npm run api-key -- list`, with them as they are typed here: where npm's
 * scripts are not, that is `synclog api-key list`.
 */
export function asTyped(text: string): string {
  if (isCheckout) return text;
  return text.replace(/\bnpm (?:run )?(start|migrate|api-key|backup|doctor)\b(?: --(?= ))?/g, 'synclog $1');
}

/** The path of a file that another package carries, such as `swagger-ui-dist/swagger-ui.css`. A build has it in itself. */
export function fileOfPackage(name: string): string {
  const built = join(import.meta.dirname, 'assets', name);
  return existsSync(built) ? built : createRequire(import.meta.url).resolve(name);
}

function folderWith(file: string, folder: string): string {
  if (existsSync(join(folder, file))) return folder;
  if (folder === dirname(folder))
    throw new Error(
      `There is no ${file} above ${import.meta.dirname}. With dist/ belong ${file} and prisma/migrations/ beside it`,
    );
  return folderWith(file, dirname(folder));
}
