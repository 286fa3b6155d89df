import type { ExecutionResult } from 'graphql';
import type { Pace } from '../../lib/pace.ts';

/** A value of an answer that is JSON already. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const toBeEscaped = /[^\x20\x21\x23-\x5b\x5d-\x7e]/;

/** The JSON of what a scalar makes: what `JSON.stringify` writes, sooner for most texts and numbers. */
export function writeLeaf(value: unknown): string {
  if (typeof value === 'string' && !toBeEscaped.test(value)) return `"${value}"`;
  return typeof value === 'number' && Number.isFinite(value) ? String(value) : JSON.stringify(value);
}

/** The JSON of a result, `data` before `errors`. */
export function writeResult({ errors, ...others }: ExecutionResult): string {
  const parts = Object.entries({ ...others, ...(errors && { errors }) }).filter(([, part]) => part !== undefined);
  return `{${parts.map(([key, part]) => `"${key}":${writeJson(part)}`).join(',')}}`;
}

/** Writes what graphql-js made of a selection, as `JSON.stringify` does, but with its {@link JsonText}s as they are. */
export function writeJson(value: unknown): string {
  if (value instanceof JsonText) return value.text;
  if (value === undefined || value === null) return 'null';
  if (typeof value !== 'object') return writeLeaf(value);
  if (Array.isArray(value)) return `[${value.map(writeJson).join(',')}]`;
  if (!isSelection(value)) return JSON.stringify(value) ?? 'null';
  let fields = '';
  for (const name in value) {
    const field = value[name];
    if (field !== undefined) fields += `${fields && ','}"${name}":${writeJson(field)}`; // a name of GraphQL has nothing to escape
  }
  return `{${fields}}`;
}

/** The same in slices, between which others are served. */
export async function writeInSlices(value: unknown, pace: Pace): Promise<string> {
  if (Array.isArray(value)) {
    const items: string[] = [];
    for (const item of value) {
      if (pace.isLong) await pace.step();
      items.push(await writeInSlices(item, pace));
    }
    return `[${items.join(',')}]`;
  }
  if (!isSelection(value) || !Object.values(value).some(isWide)) return writeJson(value);
  const fields: string[] = [];
  for (const name in value)
    if (value[name] !== undefined) fields.push(`"${name}":${await writeInSlices(value[name], pace)}`);
  return `{${fields.join(',')}}`;
}

/** The objects that graphql-js makes have no prototype; one that has is the value of a scalar. */
function isSelection(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === null;
}

const isWide = (value: unknown) => Array.isArray(value) || isSelection(value);
