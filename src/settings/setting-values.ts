import { isIP, isIPv6 } from 'node:net';
import { z } from 'zod';
import { type ProducerText, producerTexts } from '../auth/producer-texts.ts';
import { PostgresUrlError, readPostgresUrl } from '../db/postgres-url.ts';
import { problemOfSqliteUrl } from '../db/sqlite-path.ts';

/** Brackets are of URLs: a socket knows no address with them. */
export const host = z
  .string()
  .overwrite((text) => text.replace(/^\[(.*:.*)\]$/, '$1'))
  .refine((text) => isIPv6(text) || /^\w[\w.-]*$/.test(text), {
    error: 'must be an address or a name of this machine without scheme and port, such as 127.0.0.1',
  });
export const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http(s) URL', abort: true });
/** Where the API of another server begins. It is completed to URLs, and nothing of it is a secret. */
export const baseUrl = httpUrl.refine((text) => isBase(new URL(text)), {
  error: 'must have no user, query and fragment, such as https://open-wearables.example',
});

function isBase({ username, password, href }: URL): boolean {
  return username === '' && password === '' && !/[?#]/.test(href);
}

/** A list of what is good. @param what names such entries, with an example */
export const listOf = (what: string, isGood: (entry: string) => boolean) =>
  z.string().transform((text, context) => {
    const entries = readList(text);
    if (entries?.every(isGood)) return entries;
    context.addIssue({ code: 'custom', message: `must be a JSON list or a comma-separated list of ${what}` });
    return z.NEVER;
  });

/** Scheme, host and port, without a path. */
export const isOrigin = (text: string) => /^https?:\/\/[^/?#@*]+\/?$/i.test(text) && URL.canParse(text);

/** An address, or all that begin with the same bits. */
export function isAddressBlock(text: string): boolean {
  const [address = '', bits = '1', ...more] = text.split('/');
  const most = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0;
  return more.length === 0 && /^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= most;
}

/** The entries of a JSON list of strings or a comma-separated list; nothing for what is neither. */
function readList(text: string): string[] | undefined {
  if (!text.trimStart().startsWith('['))
    return text
      .split(',')
      .map((entry) => entry.trim())
      .filter(Boolean);
  try {
    return z.array(z.string()).parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number, ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be a whole number, ${min} to ${max}`);

/** Which texts of producers are shown; `none` for none. */
export const visibleTexts = z.string().transform((text, context): ProducerText[] => {
  const words = text.split(',').map((word) => word.trim());
  const known = producerTexts.filter((each) => words.includes(each));
  if (text === 'none' || known.length === words.length) return known;
  context.addIssue({ code: 'custom', message: `must be none, or some of ${producerTexts.join(', ')}` });
  return z.NEVER;
});

/** By how much the rates of `limits.ts` are multiplied. */
export const rateLimits = z
  .string()
  .regex(/^(on|off|[1-9]\d{0,3})$/, 'must be on, off, or a whole number that multiplies the limits, 1 to 9999')
  .transform((text) => (text === 'off' ? 0 : text === 'on' ? 1 : Number(text)));

/** That the URL of a Postgres can be read; any other is none of its business. */
export function checkPostgresUrl(url: string, context: z.RefinementCtx): void {
  try {
    if (/^postgres(ql)?:\/\//.test(url)) readPostgresUrl(url);
  } catch (error) {
    if (!(error instanceof PostgresUrlError)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
  }
}

/** That the URL of a SQLite file can be read; any other is none of its business. */
export function checkSqliteUrl(url: string, context: z.RefinementCtx): void {
  const message = url.startsWith('file:') ? problemOfSqliteUrl(url) : undefined;
  if (message !== undefined) context.addIssue({ code: 'custom', message });
}
