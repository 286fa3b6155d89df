import { levels } from 'pino';

/** What every line has and nobody reads. */
const unread = new Set(['level', 'time', 'pid', 'hostname', 'msg', 'err']);

/** A line of the log as people read it: `12:34:56.789 WARN text name=value …`, with the stack of an error below. */
export function readableLine(line: string): string {
  const entry: Record<string, unknown> = JSON.parse(line); // pino writes objects
  const level = levels.labels[Number(entry.level)]?.toUpperCase() ?? '';
  const fields = Object.entries(entry)
    .filter(([name]) => !unread.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const time = String(entry.time).slice('2000-01-01T'.length, -'Z'.length);
  const head = [time, level.padEnd(5), entry.msg, ...fields].filter((part) => part !== undefined).join(' ');
  const { err } = entry;
  const stack = typeof err === 'object' && err !== null && 'stack' in err ? `\n${err.stack}` : '';
  return `${head}${stack}\n`;
}
