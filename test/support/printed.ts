import { expect } from 'vitest';

/** A block of code in a page, and the block that follows as its answer. */
export interface PrintedBlock {
  readonly language: string;
  readonly code: string;
  readonly answer: { readonly language: string; readonly text: string } | undefined;
}

/** The page's blocks of some languages, in their order. */
export function codeBlocks(page: string, ...languages: readonly string[]): PrintedBlock[] {
  const pattern = /```(\w+)\n([\s\S]*?)```(?:\n\n```(json|text)\n([\s\S]*?)```)?/g;
  return [...page.matchAll(pattern)]
    .map(([, language = '', code = '', answerLanguage, text = '']) => ({
      language,
      code,
      answer: answerLanguage === undefined ? undefined : { language: answerLanguage, text },
    }))
    .filter(({ language }) => languages.includes(language));
}

export const isStream = (code: string) => code.includes('curl -N');

/** A printed command with other addresses; a stream, which does not end by itself, is left after two seconds. */
export function asRun(code: string, addresses: Readonly<Record<string, string>>): string {
  return Object.entries(addresses)
    .reduce((text, [printed, real]) => text.replaceAll(printed, real), code)
    .replaceAll('curl -N', 'curl -sN --max-time 2');
}

/**
 * Expects a command's output to be what is printed: JSON of the same keys; text of the same beginnings of lines, with
 * the same number wherever the page has the same number. Where nothing is printed, a request succeeds, and anything
 * else says nothing.
 */
export function expectAsPrinted({ code, answer }: Pick<PrintedBlock, 'code' | 'answer'>, output: string): void {
  if (isStream(code))
    expect(output).toMatch(
      code.includes('/graphql')
        ? /^event: next\nid: \d+\ndata: \{"data":\{"syncEvents":/m
        : /^id: \d+\nevent: sync\.status\ndata: \{"event_id":/m,
    );
  else if (answer?.language === 'text') expect(output.trim()).toMatch(patternOf(answer.text.trim()));
  else if (answer) expect(shapeOf(JSON.parse(output))).toEqual(shapeOf(JSON.parse(answer.text)));
  else if (code.startsWith('curl') || code.includes('\ncurl')) {
    const body = JSON.parse(output);
    expect(body).not.toHaveProperty('errors');
    expect(body).not.toHaveProperty('detail');
  } else expect(output).toBe('');
}

/** The keys of an answer, at every depth, without its values. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, shapeOf(child)]));
}

function patternOf(text: string): RegExp {
  const numbers: string[] = [];
  const pattern = text
    .replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
    .replace(/\d+/g, (number) => {
      const place = numbers.indexOf(number) + 1;
      if (place > 0) return `\\${place}\\b`;
      numbers.push(number);
      return '(\\d+)';
    })
    .replaceAll('\n', '.*\\n');
  return new RegExp(`^${pattern}.*$`);
}
