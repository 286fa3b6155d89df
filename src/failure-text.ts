import { ConfigError } from './config.ts';
import { AppError } from './errors.ts';

/** What a process says when it cannot start: the reason alone where it is a known one, else all there is. */
export function failureText(error: unknown): string {
  if (error instanceof ConfigError || error instanceof AppError) return error.message;
  if (!(error instanceof Error)) return String(error);
  if ('code' in error && error.code === 'EADDRINUSE' && 'port' in error)
    return `Port ${error.port} is taken; set PORT to another one.`;
  return error.stack ?? error.message;
}
