/** A fault that is planted in a copy of the product: a working program that breaks a promise. */
export interface Fault {
  /** What is wrong then. No other fault has the same words. */
  readonly breaks: string;
  /** From the root of the repository. */
  readonly file: string;
  /** Text that the file has once; several lines may be given as a list. */
  readonly find: string | readonly string[];
  /** What stands there instead. */
  readonly replace: string | readonly string[];
  /** Test files that ought to notice, if they are others than those of the area; the quickest first. */
  readonly tests?: readonly string[];
  /** The project whose tests are run: behaviour on Postgres, or (if not given) everything else. */
  readonly project?: 'sqlite' | 'postgresql';
}

/** Faults of one part of the product. */
export interface Area {
  readonly name: string;
  /** Test files that ought to notice. */
  readonly tests: readonly string[];
  readonly faults: readonly Fault[];
}

/** A fault with all that its area says of it. */
export interface ListedFault extends Fault {
  readonly area: string;
  readonly tests: readonly string[];
  readonly project: 'sqlite' | 'postgresql';
}

export function listFaults(areas: readonly Area[]): ListedFault[] {
  return areas.flatMap(({ name, tests, faults }) =>
    faults.map((fault) => ({ tests, project: 'sqlite' as const, ...fault, area: name })),
  );
}

/** The text of a file with the fault in it. @throws Error when the place is not there, or not there alone */
export function plantIn(text: string, { breaks, file, find, replace }: Fault): string {
  const place = linesOf(find);
  const places = text.split(place).length - 1;
  if (places !== 1)
    throw new Error(`"${breaks}" has lost its place: ${file} has ${places === 0 ? 'no' : places} times\n${place}`);
  return text.replace(place, () => linesOf(replace));
}

function linesOf(text: string | readonly string[]): string {
  return typeof text === 'string' ? text : text.join('\n');
}
