import { pino } from 'pino';
import { expect, test } from 'vitest';
import { readableLine } from '../../src/lib/readable-line.ts';

/** What a logger that writes for people writes. */
function written(work: (logger: pino.Logger) => void): string {
  const lines: string[] = [];
  const destination = { write: (line: string) => lines.push(readableLine(line)) };
  work(pino({ level: 'trace', timestamp: pino.stdTimeFunctions.isoTime }, destination));
  return lines.join('');
}

test('a line for people has the time, the level, the text, and what else there is', () => {
  expect(written((logger) => logger.warn({ awayMs: 12, applied: ['a'], reason: 'b c' }, 'it is back'))).toMatch(
    /^\d\d:\d\d:\d\d\.\d{3} WARN {2}it is back awayMs=12 applied=\["a"\] reason=b c\n$/,
  );
  expect(written((logger) => logger.fatal('over'))).toMatch(/^\S+ FATAL over\n$/);
});

test('an error stands below its line, with its stack', () => {
  const error = new TypeError('no such thing');
  expect(written((logger) => logger.error({ err: error, id: '7' }, 'unexpected error'))).toContain(
    `ERROR unexpected error id=7\nTypeError: no such thing\n    at `,
  );
  expect(written((logger) => logger.error(error))).toContain('ERROR no such thing\nTypeError: no such thing\n');
});
