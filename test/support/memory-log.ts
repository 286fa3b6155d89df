import { Writable } from 'node:stream';
import { pino } from 'pino';

/** A log, and what was written into it. */
export function memoryLog() {
  const lines: string[] = [];
  const logger = pino(
    { level: 'info' },
    new Writable({
      write(chunk, _, done) {
        lines.push(String(chunk));
        done();
      },
    }),
  );
  return { logger, lines, about: (text: string) => lines.filter((line) => line.includes(text)) };
}
