import { writeSync } from 'node:fs';
import { KnownFailure } from '../lib/known-failure.ts';

const STDOUT = 1;
/** How long a pipe that is full may take before the next attempt, where another process has made writing to it not wait. */
const FULL_PIPE_PAUSE_MS = 10;

/** What a command had to say could not be written. */
export class UnprintedError extends KnownFailure {
  /** Whoever read the output has ended, as `head` does, and wants no more of it. */
  readonly isUnwanted: boolean;

  constructor(cause: Error) {
    super(`The output cannot be written: ${cause.message}`);
    this.isUnwanted = codeOf(cause) === 'EPIPE';
  }
}

/**
 * Writes a line, or several, to stdout. They are written when this returns, which `console.log` does not tell: it keeps a
 * full disk and a reader that has ended to itself.
 * @throws UnprintedError
 */
export function print(text: string): void {
  let rest: Uint8Array = Buffer.from(`${text}\n`);
  while (rest.length > 0) rest = rest.subarray(writeSome(rest));
}

function writeSome(bytes: Uint8Array): number {
  try {
    return writeSync(STDOUT, bytes);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (codeOf(error) !== 'EAGAIN') throw new UnprintedError(error);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PIPE_PAUSE_MS);
    return 0;
  }
}

function codeOf(error: Error): unknown {
  return 'code' in error ? error.code : undefined;
}
