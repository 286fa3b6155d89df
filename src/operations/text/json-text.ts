import type { ExecutionResult } from 'graphql';

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
  if (Array.isArray(value)) return `[${value.map(writeJson).join(',')}]`;
  // The objects that graphql-js makes have no prototype; one that has is the value of a scalar.
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== null)
    return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${writeJson(field)}`).join(',')}}`;
}
