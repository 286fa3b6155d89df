import { lstatSync, readFileSync, statSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { readUtf8 } from '../lib/utf8.ts';

/** The values by the names of the settings, or what is wrong with the file, in which lines are numbered and not shown. */
type EnvFile = { readonly values: Readonly<Record<string, string>> } | { readonly problem: string };

/** To the end of a line: nothing, or a comment. */
const nothing = /[ \t]*(?:#[^\n]*)?(?![^\n])/y;

/**
 * To the end of a line: a name, and a value that may have line breaks if it is in quotes. Node would cut an unquoted value at
 * any `#` and drop whatever follows a quotation; here a comment comes after a space, and nothing else after a quotation.
 */
const setting =
  /[ \t]*(?:export +)?([a-z_][\w.-]*)[ \t]*=[ \t]*(?![ \t])(?:(["'`])(?:(?!\2).)*\2[ \t]*(?:#[^\n]*)?|(?:(?!["'`])[^\n#]+)?(?:(?<=[\s=])#[^\n]*)?)(?![^\n])/isy;

/** Reads a file such as `.env`; undefined where there is none. A pipe is not waited for. @throws Error of the file system */
export function readEnvFile(path: string): EnvFile | undefined {
  if (!lstatSync(path, { throwIfNoEntry: false })) return undefined;
  return statSync(path).isFile() ? parseEnvFile(readFileSync(path)) : { problem: 'it is no regular file' };
}

/**
 * Reads the settings one by one, each value as Node does. Node alone passes over a line that is no setting, together with the
 * line that follows.
 */
export function parseEnvFile(bytes: Uint8Array): EnvFile {
  const text = decode(bytes)?.replaceAll(/\r\n?/g, '\n');
  if (text === undefined || text.includes('\0')) return { problem: 'it is no text in UTF-8' };
  const values: Record<string, string> = {};
  const wrong: number[] = [];
  for (let at = 0; at <= text.length; ) {
    const [passed] = matchAt(nothing, text, at) ?? [];
    const [found = lineAt(text, at), name = ''] = matchAt(setting, text, at) ?? [];
    const value = parseEnv(found)[name];
    if (value !== undefined) values[name] = value;
    else if (passed === undefined) wrong.push(text.slice(0, at).split('\n').length);
    at += (passed ?? found).length + 1;
  }
  if (wrong.length === 0) return { values };
  const lines = wrong.length > 1 ? `lines ${wrong.join(', ')} are` : `line ${wrong[0]} is`;
  return { problem: `${lines} no NAME=value; one with a # or a quotation mark in it has to be in quotes` };
}

/** PowerShell writes UTF-16 and editors of Windows a byte order mark, without which everything is UTF-8. */
function decode(bytes: Uint8Array): string | undefined {
  const mark =
    bytes[0] === 0xff && bytes[1] === 0xfe ? 'le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'be' : undefined;
  return mark ? new TextDecoder(`utf-16${mark}`).decode(bytes) : readUtf8(bytes);
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function lineAt(text: string, at: number): string {
  return text.slice(at).split('\n', 1)[0] ?? '';
}
