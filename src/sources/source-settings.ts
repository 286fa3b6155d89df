import { z } from 'zod';

/** Environment variables of a source, each with how it is read. Error texts go on after the variable's name. */
export type SettingsShape = Readonly<Record<string, z.ZodType>>;

/** The settings of a source as they were read, by the names of their variables. */
export type ValuesOf<Shape extends SettingsShape> = z.output<z.ZodObject<Shape>>;

/** The settings of the sources that are set up, by the names of the sources. */
export type SourceSettings = Readonly<Record<string, ValuesOf<SettingsShape>>>;

/** Names of the settings without which a source can do nothing. */
export function neededSettings(shape: SettingsShape): string[] {
  return Object.keys(shape).filter((name) => !shape[name]?.safeParse(undefined).success);
}

/**
 * Reads the settings of one source. A source of which none is given is not set up, and has no values; with one of them,
 * all that it needs must be there.
 * @returns a line for each mistake, which names the setting and shows no value
 */
export function readSettings(
  shape: SettingsShape,
  environment: Readonly<Record<string, string | undefined>>,
): { values?: ValuesOf<SettingsShape>; problems: readonly string[] } {
  const given = Object.keys(shape).find((name) => environment[name] !== undefined);
  if (given === undefined) return { problems: [] };
  const missing = neededSettings(shape).filter((name) => environment[name] === undefined);
  const { data, error } = z.object(shape).safeParse(environment);
  const wrong = error?.issues.filter(({ path: [name] }) => !missing.includes(String(name))) ?? [];
  return {
    ...(data && { values: data }),
    problems: [
      ...wrong.map(({ path, message }) => `${path.join('.')} ${message}`),
      ...missing.map((name) => `${name} must be set when ${given} is`),
    ],
  };
}
