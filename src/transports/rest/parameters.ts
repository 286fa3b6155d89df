import type { HonoRequest } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { parseUuid, whyNotUuid } from './uuid.ts';

/**
 * Parameters of paths and queries, read as leniently as Open Wearables' validator does, which is pydantic, and refused
 * in its words.
 */

/** Digits with single underscores between them, a sign before and zeros behind the point. */
const integer = /^([+-]?)(\d+(?:_\d+)*)(?:\.0+)?$/;

/** A UUID in the path, in its canonical form. @throws HTTPException 400 */
export function readUuid(request: HonoRequest, name: string): string {
  const text = request.param(name) ?? '';
  const uuid = parseUuid(text);
  if (uuid !== undefined) return uuid;
  const reason = whyNotUuid(text);
  throw refusal(`Input should be a valid UUID, ${reason} - ${reason}`);
}

/** A whole number in the query; the last one counts. Undefined if there is none. @throws HTTPException 400 */
export function readInteger(
  request: HonoRequest,
  name: string,
  { min, max }: { readonly min: number; readonly max: number },
): number | undefined {
  const text = request.queries(name)?.at(-1);
  if (text === undefined) return undefined;
  const [, sign, digits] = integer.exec(text.trim()) ?? [];
  if (digits === undefined) throw refusal('Input should be a valid integer, unable to parse string as an integer');
  const value = Number(`${sign}${digits.replaceAll('_', '')}`);
  if (value < min) throw refusal(`Input should be greater than or equal to ${min}`);
  if (value > max) throw refusal(`Input should be less than or equal to ${max}`);
  return value;
}

function refusal(message: string): HTTPException {
  return new HTTPException(400, { message });
}
