import { type ParseArgsConfig, parseArgs } from 'node:util';

/** The command line does not say what to do. */
export class UsageError extends Error {}

type Options = NonNullable<ParseArgsConfig['options']>;

/** Does somebody ask what the command does? Then nothing else on the line counts, not even a mistake. */
export function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return (end < 0 ? args : args.slice(0, end)).some((arg) => arg === '--help' || arg === '-h');
}

/** Reads the arguments. @throws UsageError with the mistake in one sentence */
export function readCommandLine<O extends Options>(
  args: readonly string[],
  { options, operands = false }: { readonly options: O; readonly operands?: boolean },
) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: operands });
  } catch (error) {
    // Node explains at length how to write a positional argument; its first sentence names the mistake.
    const [mistake] = error instanceof Error ? error.message.split(/\. |\n/) : [];
    throw new UsageError(mistake);
  }
}
