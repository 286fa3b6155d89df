import { type Logger, pino } from 'pino';
import { readableLine } from './readable-line.ts';

interface LoggerOptions {
  /** One of pino's levels, or `silent`. */
  readonly level: string;
  /** Lines for people, as on a terminal, and not for programs. */
  readonly isReadable?: boolean;
  /** Of the file that lines are written to: 1 is stdout, 2 is stderr. */
  readonly descriptor?: 1 | 2;
}

/** The log of a process: one JSON object a line, with its time in ISO 8601, or one that people read. */
export function createLogger({ level, isReadable = false, descriptor = 1 }: LoggerOptions): Logger {
  const file = pino.destination({ dest: descriptor, sync: true }); // a line is out before the process may end
  const destination = isReadable ? { write: (line: string) => void file.write(readableLine(line)) } : file;
  return pino({ level, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}
