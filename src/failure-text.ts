import { ConfigError } from './config.ts';
import { AppError } from './errors.ts';
import { KnownFailure } from './lib/known-failure.ts';

/** What a process says when it cannot go on: the reason in one line where it is a known one, else all there is. */
export function failureText(error: unknown): string {
  if (error instanceof ConfigError) return `bad settings: ${error.problems.join('; ')}`;
  if (error instanceof AppError || error instanceof KnownFailure) return error.message;
  if (!(error instanceof Error)) return String(error);
  if ('code' in error && error.code === 'EADDRINUSE' && 'port' in error)
    return `Port ${error.port} is taken; set PORT to another one.`;
  if ('syscall' in error && (error.syscall === 'listen' || error.syscall === 'getaddrinfo'))
    return `Cannot listen: ${error.message}. HOST must be an address of this machine.`;
  return error.stack ?? error.message;
}

/** The exit status that goes with it: 2 for a mistake in the settings, which has to be mended first, else 1. */
export function failureStatus(error: unknown): 1 | 2 {
  return error instanceof ConfigError ? 2 : 1;
}
