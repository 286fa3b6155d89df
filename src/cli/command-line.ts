import { type ParseArgsConfig, parseArgs } from 'node:util';

/** The command line does not say what to do. */
export class UsageError extends Error {}

type Options = NonNullable<ParseArgsConfig['options']>;

/** Does somebody ask what the command does? Then nothing else on the line counts, not even a mistake. */
export function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return (end < 0 ? args : args.slice(0, end)).some((arg) => arg === '--help' || arg === '-h');
}

/**
 * Reads the arguments. An option that is repeated is a mistake: one of its values would count for nothing.
 * @throws UsageError with the mistake in one sentence
 */
export function readCommandLine<O extends Options>(
  args: readonly string[],
  { options, operands = false }: { readonly options: O; readonly operands?: boolean },
) {
  const { tokens, ...read } = parse(args, options, operands);
  const names = tokens.flatMap((token) => (token.kind === 'option' ? [token.name] : []));
  const repeated = names.find((name, place) => names.indexOf(name) < place);
  if (repeated !== undefined) throw new UsageError(`--${repeated} is there twice; once is enough`);
  return read;
}

function parse<O extends Options>(args: readonly string[], options: O, allowPositionals: boolean) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals, tokens: true });
  } catch (error) {
    // Node explains at length how to write a positional argument; its first sentence names the mistake.
    const [mistake] = error instanceof Error ? error.message.split(/\. |\n/) : [];
    throw new UsageError(mistake);
  }
}
