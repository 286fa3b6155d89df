import { asTyped, isCheckout, packageFolder } from '../lib/package-folder.ts';
import { asksForHelp, UsageError } from './command-line.ts';
import { readEnvFile } from './env-file.ts';
import { print, UnprintedError } from './print.ts';

/** What every command of package.json is. */
export interface Command {
  /** As in `npm run NAME`. */
  readonly name: string;
  /** Its first line says what the command does. */
  readonly help: string;
  /**
   * Does the work. It imports what it works with when it runs, so that help, and what is missing, can be told without.
   * @returns the exit status; nothing while what it has started goes on
   * @throws UsageError for a mistake in the command line, or what failed
   */
  readonly run: (args: readonly string[]) => Promise<0 | 1 | 2 | undefined>;
  /** Tells a failure; by itself, one line of stderr that begins with the command's name. */
  readonly tell?: (failure: string) => void;
}

/** The status that a shell gives to a program that SIGPIPE has ended. Node ignores that signal. */
const BROKEN_PIPE = 141;

/**
 * Runs one command as this process, so that all of them agree: `--help` and `-h` only help, `.env` is read, and the exit
 * status is 0 for done, 1 for a failure, and 2 for a mistake in the command line or in the settings. A command whose output
 * nobody reads any more ends without a word, as others do.
 */
export async function runCommand(
  { name, help, run, tell = plainly(name) }: Command,
  args: readonly string[] = process.argv.slice(2),
): Promise<void> {
  try {
    if (asksForHelp(args)) {
      print(asTyped(help));
      return;
    }
    // Relative paths in settings begin in the folder of a checkout wherever a command is started from, as npm has it. What
    // is installed has no folder of its own to keep data in.
    if (isCheckout) process.chdir(packageFolder);
    addEnvFile();
    const status = await run(args);
    if (status !== undefined) process.exit(status); // whatever timers a library has left
  } catch (error) {
    if (error instanceof UnprintedError && error.isUnwanted) process.exit(BROKEN_PIPE);
    const { text, status } = await explain(error);
    tell(asTyped(text));
    process.exit(status);
  }
}

/** Settings in `.env` count where the environment does not have them. */
function addEnvFile(): void {
  const file = envFile();
  if (!file) return;
  if ('problem' in file) throw new UsageError(`The file .env cannot be read: ${file.problem}`);
  for (const [name, value] of Object.entries(file.values)) process.env[name] ??= value;
}

function envFile(): ReturnType<typeof readEnvFile> {
  try {
    return readEnvFile('.env');
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

function plainly(name: string): (failure: string) => void {
  return (failure) => void process.stderr.write(`${name}: ${failure}\n`);
}

async function explain(error: unknown): Promise<{ text: string; status: 1 | 2 }> {
  if (error instanceof UsageError) return { text: `${error.message} (see --help)`, status: 2 };
  if (isGeneratedCodeMissing(error))
    return { text: 'The database clients are not generated yet. Run: npm run generate', status: 1 };
  const { failureStatus, failureText } = await import('../failure-text.ts');
  return { text: failureText(error), status: failureStatus(error) };
}

/** `npm ci --ignore-scripts` leaves out what `npm ci` ends with. */
function isGeneratedCodeMissing(error: unknown): boolean {
  return (
    codeOf(error) === 'ERR_MODULE_NOT_FOUND' && error instanceof Error && /[\\/]db[\\/]generated\b/.test(error.message)
  );
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
